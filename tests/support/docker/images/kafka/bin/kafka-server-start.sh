#!/bin/bash
# shellcheck disable=SC2086 # options are words
exec java ${KAFKA_HEAP_OPTS:--Xms1g -Xmx1g} ${KAFKA_GC_LOG_OPTS:-} \
    ${KAFKA_LOG4J_OPTS:--Dorg.apache.logging.log4j.level=INFO} \
    -cp '/opt/kafka/libs/*' kafka.Kafka "$@"
