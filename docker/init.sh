#!/bin/sh
# Makes the secrets of a new platform, once: docker/init.sh [FOLDER]. What is there already is left as it is.
#
# The folder is closed to everybody but its owner; the files in it are readable, because each program reads the few that
# are mounted into its container under a user of its own.
set -eu
umask 077
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$here/secrets}
mkdir -p "$folder"
chmod 700 "$folder"

random() { head -c 32 /dev/urandom | base64 | tr -d '+/=\n'; }

# write NAME: keeps what comes by standard input, unless the secret exists.
write() {
    [ -e "$folder/$1" ] || { cat > "$folder/.$1.new" && chmod 444 "$folder/.$1.new" && mv "$folder/.$1.new" "$folder/$1"; }
}

# account NAME: a line of Caddy's for the password in NAME_password, by Caddy here or in a container.
account() {
    image=$(sed -n 's/^ *image: \(caddy:.*\)$/\1/p' "$here/compose.yaml")
    set -- "$1" caddy hash-password
    command -v caddy > /dev/null || set -- "$1" docker run --rm --interactive "$image" caddy hash-password
    name=$1
    shift
    hash=$({ cat "$folder/${name}_password"; echo; } | "$@")
    printf '%s %s\n' "$name" "$hash"
}

for name in postgres_password owner_password app_password exporter_password minio_root_password minio_app_password \
    admin_token grafana_password operator_password caller_password; do
    random | write "$name"
done
printf minio-root | write minio_root_user
# Filled in by hand where there is a mail server, a webhook, or a key that backups are encrypted for.
for name in smtp_password webhook_url backup_recipients; do
    : | write "$name"
done

printf 'postgres:5432:*:rakuten:%s\n' "$(cat "$folder/owner_password")" | write pgpass_owner
printf 'postgres:5432:*:rakuten_app:%s\n' "$(cat "$folder/app_password")" | write pgpass_app
printf '[default]\naws_access_key_id = rakuten\naws_secret_access_key = %s\n' "$(cat "$folder/minio_app_password")" |
    write aws_credentials
for name in operator caller; do
    if [ ! -e "$folder/${name}s" ]; then
        line=$(account "$name")
        echo "$line" | write "${name}s"
    fi
done

echo "The secrets are in $folder. Sign in to Dagster, MLflow and Grafana as operator: $folder/operator_password"
