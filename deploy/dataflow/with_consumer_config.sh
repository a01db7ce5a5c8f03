#!/bin/sh
# Fetches the settings of the Kafka client from Secret Manager, then runs the command it is given.
#
#   CONSUMER_CONFIG_SECRET   projects/PROJECT/secrets/NAME; unset: nothing is fetched
#   CONSUMER_CONFIG          the file that they go to, the path that --consumer_config names
#
# The login is that of the machine, a worker of Dataflow: its service account needs the role
# roles/secretmanager.secretAccessor on the secret.
set -eu

metadata=http://metadata.google.internal/computeMetadata/v1
# Gives the text of one field of a JSON object.
field() { sed -n "s/.*\"$1\" *: *\"\([^\"]*\)\".*/\1/p"; }

if [ -n "${CONSUMER_CONFIG_SECRET:-}" ]; then
  token=$(curl --silent --show-error --fail --header 'Metadata-Flavor: Google' \
    "$metadata/instance/service-accounts/default/token" | field access_token)
  umask 077
  mkdir -p "$(dirname "$CONSUMER_CONFIG")"
  # The token goes through stdin: arguments can be read by others.
  printf 'header = "Authorization: Bearer %s"\n' "$token" |
    curl --silent --show-error --fail --config - \
      "https://secretmanager.googleapis.com/v1/$CONSUMER_CONFIG_SECRET/versions/latest:access" |
    field data | base64 -d > "$CONSUMER_CONFIG.new"
  if [ ! -s "$CONSUMER_CONFIG.new" ]; then
    echo "error: $CONSUMER_CONFIG_SECRET: Secret Manager gave nothing" >&2
    exit 1
  fi
  mv "$CONSUMER_CONFIG.new" "$CONSUMER_CONFIG"
fi

exec "$@"
