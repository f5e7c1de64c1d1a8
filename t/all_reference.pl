# doc/reference.md is what "make reference" writes, and everything that the
# extension offers has a COMMENT or a description.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run ();
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = "$FindBin::RealBin/..";
my $node = new_node('reference', preload => 1);
sub run { return sql($node, @_) }

# What the generator prints and says, and whether it succeeds.
sub generate
{
	my ($db) = @_;
	my ($out, $err);
	local @ENV{qw(PGHOST PGPORT PGDATABASE)} = ($node->host, $node->port, $db);
	my $ok = IPC::Run::run([ $^X, "$root/.ci/reference.pl" ], '>', \$out, '2>', \$err);
	return ($out, $err, $ok);
}

run('postgres', 'CREATE DATABASE reference');
run('reference', 'CREATE EXTENSION ownership');

my ($generated, $said, $ok) = generate('reference');
ok($ok, 'the reference is generated') or diag($said);
my @new = split /^/, $generated;
my @old = -e "$root/doc/reference.md" ? split /^/, slurp_file("$root/doc/reference.md") : ();
ok(join('', @old) eq $generated, 'doc/reference.md is up to date')
  or do {
	my ($line) = grep { ($old[$_] // '') ne ($new[$_] // '') } 0 .. (@old > @new ? $#old : $#new);
	diag('Run "make reference". The first line that differs is ' . ($line + 1) . ":\n- " . ($old[$line] // "\n") . '+ ' . ($new[$line] // "\n"));
  };

#
# Would it be seen?
#
foreach my $change (
	[ 'a comment on a function', q{COMMENT ON FUNCTION ownership.flush() IS 'Else.'} ],
	[ 'a comment on a column', q{COMMENT ON COLUMN ownership.map.relation IS 'Else.'} ],
	[ 'a new column', q{ALTER TABLE ownership.system ADD more text; COMMENT ON COLUMN ownership.system.more IS 'More.'} ],
	[ 'a default', q{ALTER TABLE ownership.system ALTER kind SET DEFAULT 'erp'} ],
	[ 'a right to read', q{GRANT SELECT ON ownership.conflict TO PUBLIC} ],
	[ 'a function without a comment', q{COMMENT ON FUNCTION ownership.page(text, text, text) IS NULL}, qr/^function ownership\.page\([^)]*\) has no comment$/m ],
	[ 'a view without a comment', q{COMMENT ON VIEW ownership.map IS NULL}, qr/^view map has no comment$/m ],
	[ 'a column without a comment', q{COMMENT ON COLUMN ownership.map.relation IS NULL}, qr/^column relation of map has no comment$/m ],
	[ 'an argument that is not described', qq{COMMENT ON FUNCTION ownership.guard(regclass) IS 'Guards.\nArguments:\n- table: It.'},
		qr/^the comment on function ownership\.guard\(regclass\) describes \(table\) instead of \(relation\)$/m ],
	[ 'a column of a result that is not described', qq{COMMENT ON FUNCTION ownership.drift(text) IS 'Lists.\nArguments:\n- field: It.\nReturns rows:\n- row_key: It.'},
		qr/describes \(row_key\) instead of \(row_key, source_value, relation, column_name, copy_value\)$/m ],
	[ 'a function that not everyone may call', q{REVOKE EXECUTE ON FUNCTION ownership.page(text, text, text) FROM PUBLIC}, qr/^function ownership\.page\([^)]*\) may not be called by every role$/m ])
{
	my ($what, $sql, $message) = @$change;
	run('postgres', 'DROP DATABASE IF EXISTS changed');
	run('postgres', 'CREATE DATABASE changed TEMPLATE reference');
	run('changed', $sql);
	my ($out, $err, $success) = generate('changed');
	ok($message ? !$success && $err =~ $message : $success && $out ne $generated, "seen: $what") or diag($err);
}

#
# Everything has a comment: what is internal, too, but for the columns of internal views.
#
is(run('reference', q{
	WITH member AS (
		SELECT d.classid, d.objid FROM pg_depend d JOIN pg_extension e ON d.refobjid = e.oid
		WHERE e.extname = 'ownership' AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
	), object AS (
		SELECT classid, objid, 0 AS objsubid FROM member WHERE classid IN ('pg_proc'::regclass, 'pg_event_trigger'::regclass, 'pg_namespace'::regclass)
		UNION ALL
		SELECT m.classid, m.objid, 0 FROM member m JOIN pg_class c ON c.oid = m.objid
		WHERE m.classid = 'pg_class'::regclass AND c.relkind IN ('r', 'p', 'v')
		UNION ALL
		SELECT m.classid, m.objid, a.attnum FROM member m JOIN pg_class c ON c.oid = m.objid JOIN pg_attribute a ON a.attrelid = c.oid
		WHERE m.classid = 'pg_class'::regclass AND c.relkind IN ('r', 'p', 'v') AND a.attnum > 0 AND NOT a.attisdropped
		  AND NOT (c.relkind = 'v' AND obj_description(c.oid, 'pg_class') LIKE 'Internal:%')
	)
	SELECT pg_describe_object(classid, objid, objsubid) FROM object o
	WHERE NOT EXISTS (SELECT FROM pg_description d WHERE d.classoid = o.classid AND d.objoid = o.objid AND d.objsubid = o.objsubid)
	UNION ALL
	SELECT 'setting ' || name FROM pg_settings WHERE ownership.loaded() AND name LIKE 'ownership.%' AND (short_desc = '') IS NOT FALSE}),
	'', 'everything has a comment');
is(run('reference', q{SELECT count(*) > 0 FROM pg_description d JOIN pg_extension e ON d.objoid = e.oid AND d.classoid = 'pg_extension'::regclass WHERE extname = 'ownership'}),
	't', 'and the extension');

#
# Lists of values are those that there are
#

# The rows of the table below a heading: first cell => second cell.
sub rows
{
	my ($heading) = @_;
	my ($section) = $generated =~ /^## \Q$heading\E\n(.*?)(?=^## |\z)/ms;
	return map { /^\| `(\w+)` \| (.*?) \|/ ? ($1 => $2) : () } split /\n/, $section // '';
}
sub named { return join ' ', sort @_ }

foreach my $list ([ 'Policies', 'field', 'field_policy_check' ], [ 'Blanks', 'field', 'field_on_blank_check' ], [ 'Outcomes', 'conflict', 'conflict_outcome_check' ])
{
	my ($heading, $table, $constraint) = @$list;
	my $check = run('reference', "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'ownership.$table'::regclass AND conname = '$constraint'");
	my %rows = rows($heading);
	is(named(keys %rows), named($check =~ /'(\w+)'::text/g), "$heading are those of the CHECK constraint");
}

my %risks = rows('Kinds of risk');
my $views = run('reference', q{SELECT pg_get_viewdef(c.oid) FROM pg_class c WHERE relnamespace = 'ownership'::regnamespace AND relkind = 'v' AND relname ~ '(^risks|_risk)$'});
my $alias = qr/(?: AS (?:\w+|"[^"]*"))?/;
my %found;
while ($views =~ /(?:THEN '(high|medium|low)'::text\s+ELSE )?'(high|medium|low)'::text(?:\s+END)?$alias,\s+'(\w+)'::text/g)
{
	$found{$3}{$_} = 1 foreach grep { defined } $1, $2;
}
cmp_ok(scalar keys %found, '>=', 19, 'risks were found in the views');
is(join("\n", map { "$_: $risks{$_}" } sort keys %risks),
	join("\n", map { my $risk = $_; "$risk: " . join ', ', grep { $found{$risk}{$_} } qw(high medium low) } sort keys %found),
	'Risks and their severities are those of the views');

#
# SQLSTATEs are those that the sources raise
#
my @sources = split /\n/, `find '$root/src' -name '*.c'`;
my %raised;
foreach my $source (@sources)
{
	my $code = slurp_file($source);
	while ($code =~ /\berrcode(\((?:[^()]|(?1))*\))/g)
	{
		my $arguments = $1;
		$raised{$_} = 1 foreach $arguments =~ /\bERRCODE_(\w+)/g;
	}
}
cmp_ok(scalar keys %raised, '>=', 25, 'SQLSTATEs were found in the sources');
chomp(my $include = `pg_config --includedir-server`);
SKIP:
{
	skip "the server's headers are not there", 1 if !-e "$include/utils/errcodes.h";
	my %code = slurp_file("$include/utils/errcodes.h") =~ /^#define ERRCODE_(\w+) (MAKE_SQLSTATE\(.*?\))/mg;
	my %rows = rows('SQLSTATEs');
	is(named(keys %rows), named(map { join '', $code{$_} =~ /'(.)'/g } keys %raised), 'SQLSTATEs are those that the sources raise');
}

$node->stop;
done_testing();
