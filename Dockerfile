# PostgreSQL with the extension, from its Debian package:
#
#   docker build --build-arg PG_MAJOR=18 -t postgres-ownership:18 .
#
# The extension alone, in the layout that CloudNativePG mounts beside a server:
#
#   docker build --build-arg PG_MAJOR=18 --target extension -t ownership-extension:18 .
ARG PG_MAJOR=18

FROM postgres:$PG_MAJOR AS build
RUN apt-get update && apt-get install -y --no-install-recommends make
WORKDIR /ownership
COPY . .
RUN DEB_BUILD_OPTIONS=noautodbgsym make deb

FROM postgres:$PG_MAJOR AS server
COPY --from=build /ownership/tmp_deb/*.deb /tmp/ownership/
RUN apt-get update \
	&& apt-get install -y --no-install-recommends /tmp/ownership/*.deb \
	&& rm -rf /tmp/ownership /var/lib/apt/lists/*
# New clusters preload the library.
RUN echo "shared_preload_libraries = 'ownership'" >> "/usr/share/postgresql/$PG_MAJOR/postgresql.conf.sample"

FROM scratch AS extension
ARG PG_MAJOR
COPY --from=server /usr/lib/postgresql/$PG_MAJOR/lib/ownership.so /lib/
COPY --from=server /usr/share/postgresql/$PG_MAJOR/extension/ownership* /share/extension/
COPY --from=server /usr/share/doc/postgresql-$PG_MAJOR-ownership/copyright /licenses/ownership/

# Without --target: the server.
FROM server
