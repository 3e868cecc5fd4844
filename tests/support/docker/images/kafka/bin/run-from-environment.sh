#!/bin/bash
# Start a broker as the official image does without an entrypoint of one's own: KAFKA_NODE_ID becomes node.id and so
# on, the storage is formatted with CLUSTER_ID, and the broker runs.
set -euo pipefail
settings=/opt/kafka/config/server.properties
{
    echo "log.dirs=${KAFKA_LOG_DIRS:-/var/lib/kafka/data}"
    for name in $(compgen -e KAFKA_); do
        case $name in KAFKA_HEAP_OPTS | KAFKA_LOG_DIRS) continue ;; esac
        key=${name#KAFKA_}
        key=${key,,}
        echo "${key//_/.}=${!name}"
    done
} >"$settings"
/opt/kafka/bin/kafka-storage.sh format --ignore-formatted --config "$settings" \
    --cluster-id "${CLUSTER_ID:-5L6g3nShT-eMCtK--X86sw}"
exec /opt/kafka/bin/kafka-server-start.sh "$settings"
