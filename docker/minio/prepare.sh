#!/bin/sh
# The bucket, and an account that may use it and nothing else; run again, it changes nothing.
set -eu
read_secret() { cat "/run/secrets/$1"; }
bucket=rakuten

# In the environment of this one process, which ends within seconds: a command line is for every process to see.
MC_HOST_here="http://$(read_secret minio_root_user):$(read_secret minio_root_password)@minio:9000"
export MC_HOST_here

mc mb --ignore-existing "here/$bucket"
mc version enable "here/$bucket"
printf '%s\n%s\n' rakuten "$(read_secret minio_app_password)" | mc admin user add here
mc admin policy create here rakuten /etc/minio/policy.json
mc admin policy attach here rakuten --user rakuten || echo "It may be attached already: what counts is the next line."

MC_HOST_as_rakuten="http://rakuten:$(read_secret minio_app_password)@minio:9000"
export MC_HOST_as_rakuten
mc ls "as_rakuten/$bucket"
