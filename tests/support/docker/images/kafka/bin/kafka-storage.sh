#!/bin/bash
exec java -Xmx256m -Dorg.apache.logging.log4j.level=WARN -cp '/opt/kafka/libs/*' kafka.tools.StorageTool "$@"
