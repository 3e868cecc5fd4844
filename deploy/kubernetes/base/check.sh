#!/bin/sh
# Look through the proxy at each service that it has an upstream for: its own service must answer there, ready (200) or not (503). A service
# answers other paths than its own with 404, so that shows a location that leads to another one.
set -eu
for service in $(echo "$PROXY_UPSTREAMS" | tr ";" "\n" | sed "s/^ *//; s/ .*//"); do
    status=$(curl --silent --insecure --max-time 5 --output /dev/null --write-out '%{http_code}' \
        "https://127.0.0.1:8443/v1/$service/health")
    case $status in
        200 | 503) ;;
        *) echo "/v1/$service/: $status"; exit 1 ;;
    esac
done
