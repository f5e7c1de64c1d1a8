# shellcheck shell=sh
# Sourced by the steps, from the root of the checkout, in a fresh Debian that is
# thrown away.
export DEBIAN_FRONTEND=noninteractive
# without a language Debian makes clusters in SQL_ASCII
export LANG=C.UTF-8

# say WORD ...   a line that .ci/packages shows of a step that passes
say() { echo "# $*"; }

die() {
	echo "$*" >&2
	exit 1
}

# apt_install PACKAGE ...   as a user does, but with nothing that is only recommended
apt_install() { apt-get install -q -y --no-install-recommends "$@"; }

# sql DATABASE SQL        as the superuser; stops the step at an error
sql() { as_postgres psql -X -q -A -t -v ON_ERROR_STOP=1 -d "$1" -c "$2"; }
# script DATABASE < FILE
script() { as_postgres psql -X -q -A -t -v ON_ERROR_STOP=1 -d "$1" -f -; }

as_postgres() { (cd / && runuser -u postgres -- "$@"); }

# major   the PostgreSQL of this Debian, from the packages that were built for it
major() {
	for deb in "$1"/new/postgresql-*-ownership_*.deb; do
		deb=${deb##*/postgresql-}
		echo "${deb%%-*}"
	done
}

# one PATTERN   the file that it matches
one() {
	if [ $# != 1 ] || [ ! -e "$1" ]; then die "not one file: $*"; fi
	echo "$1"
}
