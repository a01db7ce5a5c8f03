# The Java workers, where the settings of the Kafka client hold secrets: docs/dataflow.md
#
#     docker build --file deploy/dataflow/java.Dockerfile --tag IMAGE deploy/dataflow
#
# Without secrets Beam's own image does, and Dataflow finds it. The Java is that of the machine that
# submits (the image of the Flex Template has 21); the version is Beam's in the locked modules.
ARG JAVA=21
ARG BEAM_JAVA_VERSION=2.70.0
FROM apache/beam_java${JAVA}_sdk:${BEAM_JAVA_VERSION}

# What with_consumer_config.sh calls: the build fails if the base has not got it.
RUN command -v curl && command -v base64 && command -v sed
COPY with_consumer_config.sh /opt/error-windows/with_consumer_config.sh

ENTRYPOINT ["/opt/error-windows/with_consumer_config.sh", "/opt/apache/beam/boot"]
