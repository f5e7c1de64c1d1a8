# shellcheck shell=sh
# Sourced after private.sh, from the root of the checkout, by what builds the
# library in another way than the checkout's.
#
# scratch_copy NAME   copies the sources to a new directory under /tmp, goes
#                     there and sets $COPY; the server's user may write in src
#                     and its folders

scratch_copy() {
	COPY=$(mktemp -d "/tmp/ownership-$1.XXXXXX") || return 1
	chmod 755 "$COPY"
	tar -cf - --exclude='./.git' --exclude='./tmp_*' --exclude='*.o' --exclude='*.bc' \
		--exclude='*.so' --exclude='*.gc??' --exclude=./.built-for . | tar -xf - -C "$COPY" --no-same-owner
	if [ "$(id -u)" = 0 ]; then find "$COPY/src" -type d -exec chown "$SERVER_USER" {} +; fi
	cd "$COPY" || return 1
}
