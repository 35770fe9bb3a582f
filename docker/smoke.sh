#!/bin/sh
# One product through a platform that runs: an account, a delivery, a champion, and a seller's product by HTTPS.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
profile=${1:-cpu}
domain=${RAKUTEN_DOMAIN:-localhost}
location=code-location
[ "$profile" = cpu ] || location=code-location-$profile

compose() { docker compose --file "$here/compose.yaml" --profile "$profile" "$@"; }
rakuten() { compose exec -T "$location" python -m rakuten_assets "$@"; }

password=$(head -c 18 /dev/urandom | base64 | tr -d '+/=\n')
printf %s "$password" | compose exec -T "$location" sh -c 'umask 077; cat > /tmp/password'
rakuten user add smoke@example.org --password-file /tmp/password
rakuten sample --out /tmp/sample --products 600
rakuten ingest /tmp/sample
rakuten materialize
rakuten materialize --select deployed_model

authority=$(mktemp)
compose exec -T proxy cat /data/caddy/pki/authorities/local/root.crt > "$authority"
# ask PATH [ARGUMENTS]: the web app's API through the proxy; a token is read from a file, not from a command line.
ask() {
    path=$1
    shift
    curl --silent --show-error --fail --cacert "$authority" --header "Content-Type: application/json" "$@" \
        "https://$domain:${RAKUTEN_HTTPS_PORT:-443}/api/v1$path"
}
field() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }

token=$(mktemp)
printf '{"email": "smoke@example.org", "password": "%s"}' "$password" | ask /session --data @- | field token |
    sed 's/^/Authorization: Bearer /' > "$token"
# shellcheck disable=SC2016 # the container expands it
picture=$(compose exec -T "$location" sh -c 'base64 -w0 "$(find /tmp/sample -name "*.jpg" | head -n 1)"')
product=$(printf '{"designation": "Piscine ronde", "image": "%s"}' "$picture" |
    ask /products --header @"$token" --data @- | field id)

for _ in $(seq 60); do
    state=$(ask "/products/$product" --header @"$token" | field state)
    echo "product $product: $state"
    case $state in
        proposed | to_confirm) exit 0 ;;
    esac
    sleep 2
done
echo "The product was not classified." >&2
exit 1
