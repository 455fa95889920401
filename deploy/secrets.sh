#!/bin/sh
# Makes the secrets of docker-compose.yml in deploy/secrets/. What is there already stays.
set -eu
umask 077
cd "$(dirname "$0")"
mkdir -p secrets
cd secrets
echo '*' > .gitignore

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

# keep NAME: what stdin says becomes the file NAME, unless it is there.
# Readable for the containers' users; the directory keeps everybody else on this host out.
keep() {
    if [ -e "$1" ]; then cat > /dev/null; return; fi
    cat > "$1.new"
    chmod 0444 "$1.new"
    mv "$1.new" "$1"
    echo "made deploy/secrets/$1"
}

random | keep postgres_password
random | keep valkey_password
random | keep flower_password
random | keep INNKEEPER_JWT_SECRET
printf 'postgresql+psycopg://innkeeper:%s@postgres:5432/innkeeper' "$(cat postgres_password)" | keep INNKEEPER_DATABASE_URL
printf 'redis://:%s@valkey:6379/0' "$(cat valkey_password)" | keep INNKEEPER_BROKER_URL
printf 'operator:%s' "$(cat flower_password)" | keep FLOWER_BASIC_AUTH
printf 'requirepass %s\nappendonly yes\nappendfsync everysec\nsave ""\nmaxmemory-policy noeviction\ndir /data\n' \
    "$(cat valkey_password)" | keep valkey.conf

if [ ! -e pve-fra1 ]; then
    echo "Now write the secret of the Proxmox VE token into deploy/secrets/pve-fra1 (mode 0444)."
fi
