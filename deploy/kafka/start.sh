#!/bin/bash
# Format the broker's storage at the first start (KRaft demands it), then run the broker.
set -euo pipefail
bin=${KAFKA_BIN:-/opt/kafka/bin}
settings=${KAFKA_SETTINGS:-/etc/solekey/server.properties}

"$bin/kafka-storage.sh" format --ignore-formatted --config "$settings" \
    --cluster-id "${KAFKA_CLUSTER_ID:?made by deploy/make_secrets.py}"
exec "$bin/kafka-server-start.sh" "$settings"
