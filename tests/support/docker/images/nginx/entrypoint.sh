#!/bin/bash
# Render /etc/nginx/templates/NAME.template into /etc/nginx/conf.d/NAME, as the official image does: variables of the
# environment whose names match NGINX_ENVSUBST_FILTER are replaced, nginx's own stay. Then become the command.
set -euo pipefail
names=$(compgen -e | grep -E "${NGINX_ENVSUBST_FILTER:-}" || true)
variables=$(for name in $names; do printf '${%s} ' "$name"; done)
for template in /etc/nginx/templates/*.template; do
    [ -e "$template" ] || continue
    rendered=/etc/nginx/conf.d/$(basename "$template" .template)
    envsubst "$variables" <"$template" >"$rendered"
done
exec "$@"
