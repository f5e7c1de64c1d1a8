# shellcheck shell=sh
# Sourced by .ci/check, examples/demo.sh and bench/run.sh, from the root of
# the checkout: builds, and installs into a private directory, so that
# private servers can use the extension and the system's server stays as it is.
#
# private_setup NAME      empties tmp_NAME and sets
#   $RUN       a scratch directory that the server's user can write
#   $SRC       the checkout, where the server's user can read it
#   $CONF      lines for postgresql.conf by which a server finds the install
#   $BINDIR    the server's programs
#   $PGTEST    PGXS's src/test: regress, isolation, perl
# as_server COMMAND ...   runs as a user that is not root, which initdb and
#                         postgres insist on

PG_CONFIG=${PG_CONFIG:-pg_config}
MAKE=${MAKE:-make}
# The server's user must be able to read what root writes here.
umask 022

if [ "$(id -u)" != 0 ]; then
	as_server() { "$@"; }
else
	SERVER_USER=nobody
	if id postgres >/dev/null 2>&1; then SERVER_USER=postgres; fi
	as_server() { runuser -u "$SERVER_USER" -- env HOME="$RUN" TMPDIR=/tmp "$@"; }
fi

private_setup() {
	SRC=$(pwd)
	RUN=$SRC/tmp_$1
	rm -rf "$RUN" && mkdir "$RUN" || return 1

	BINDIR=$("$PG_CONFIG" --bindir)
	PGTEST=$("$PG_CONFIG" --pgxs)
	PGTEST=${PGTEST%/makefiles/pgxs.mk}/test
	pkglibdir=$("$PG_CONFIG" --pkglibdir)
	sharedir=$("$PG_CONFIG" --sharedir)

	# Bitcode would only be needed for JIT to inline our functions.
	$MAKE --no-print-directory -j "$(nproc)" all with_llvm=no &&
		$MAKE --no-print-directory -s install with_llvm=no DESTDIR="$RUN/install" || return 1

	if [ "$(id -u)" = 0 ]; then
		chown -R "$SERVER_USER" "$RUN"
		# A checkout that only root may enter or read is copied.
		if ! as_server test -w "$RUN" -a -r "$SRC/ownership.control"; then
			copy=$(mktemp -d "/tmp/ownership-$1.XXXXXX")
			tar -cf - --exclude='./.git' --exclude='./tmp_*' . |
				{ mkdir "$copy/src" && tar -xf - -C "$copy/src"; }
			mv "$RUN/install" "$copy"
			rmdir "$RUN"
			RUN=$copy
			SRC=$copy/src
			chown -R "$SERVER_USER" "$RUN"
		fi
	fi

	CONF=$RUN/private.conf
	settings=$("$BINDIR/postgres" --describe-config | cut -f 1)
	if echo "$settings" | grep -qx extension_control_path; then
		cat <<-END
		dynamic_library_path = '$RUN/install$pkglibdir:\$libdir'
		extension_control_path = '$RUN/install$sharedir:\$system'
		END
	elif echo "$settings" | grep -qx extension_destdir; then
		# Debian and Ubuntu patch this setting in
		cat <<-END
		dynamic_library_path = '$RUN/install$pkglibdir:\$libdir'
		extension_destdir = '$RUN/install'
		END
	else
		echo "This server cannot look elsewhere for extensions: installing into it." >&2
		$MAKE --no-print-directory install with_llvm=no >&2 || return 1
	fi > "$CONF"
}
