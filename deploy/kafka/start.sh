#!/bin/bash
# Format the broker's storage at the first start (KRaft demands it), then run the broker. Its settings are
# server.properties and, over it, each file of more/; ${KAFKA_…} in them stands for a variable of the environment, and
# for nothing where that is not set.
set -euo pipefail
bin=${KAFKA_BIN:-/opt/kafka/bin}
folder=${KAFKA_SETTINGS:-/etc/solekey}

shopt -s nullglob
text=$(cat "$folder/server.properties" "$folder"/more/*.properties)
for name in $(compgen -e KAFKA_); do
    text=${text//"\${$name}"/"${!name}"}
done
settings=${TMPDIR:-/tmp}/server.properties
sed --regexp-extended 's/\$\{KAFKA_\w+\}//g' <<<"$text" >"$settings"

"$bin/kafka-storage.sh" format --ignore-formatted --config "$settings" \
    --cluster-id "${KAFKA_CLUSTER_ID:?made by deploy/make_secrets.py}"
exec "$bin/kafka-server-start.sh" "$settings"
