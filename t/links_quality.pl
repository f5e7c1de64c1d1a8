# How often suggest_links() is right, and how many copies it finds: in labelled schemas,
# which t/data/links/NAME.sql makes, with noise, drift, subsets, other types and names,
# and numbers that mean nothing.
#
# A line of t/data/links/NAME.csv has the columns that contain one field. Each two of them
# are a true pair; after "?" either answer is right.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

# What doc/how-to/find-copies.md says: at least so many percent of the sure pairs are right,
# and so many percent of the true pairs are sure.
my @schemas = (
	# written when the function was finished, the first without a look at it
	[ pharmacy => 100, 66 ], [ saas => 100, 100 ], [ school => 100, 94 ], [ freight => 93, 75 ],
	# by which it was made
	[ commerce => 100, 100 ], [ people => 100, 100 ], [ staff => 100, 92 ]);

my $data = "$FindBin::RealBin/data/links";
my $node = new_node('links');
my ($all_sure, $all_right, $all_true) = (0, 0, 0);

# "a b" for each two of the columns
sub pairs
{
	my @columns = sort @_;
	my @pairs;
	while (defined(my $first = shift @columns)) { push @pairs, map { "$first $_" } @columns }
	return @pairs;
}

foreach my $schema (@schemas)
{
	my ($name, $precision, $recall) = @$schema;
	my (%true, %either, %sure);

	foreach (split /\n/, slurp_file("$data/$name.csv"))
	{
		my $open = s/^\?//;
		$_ = { map { $_ => 1 } pairs(split /,/) };
		if ($open) { %either = (%either, %$_) }
		else { %true = (%true, %$_) }
	}
	sql($node, 'postgres', "CREATE DATABASE $name");
	sql($node, $name, join "\n", 'CREATE EXTENSION ownership;', slurp_file("$data/tools.sql"), slurp_file("$data/$name.sql"),
		'SET client_min_messages = warning;', 'DROP SCHEMA gen CASCADE;', 'ANALYZE;');
	foreach (split /\n/, sql($node, $name, q(SELECT array_to_string(columns, ',') FROM ownership.suggest_links() WHERE sure)))
	{
		$sure{$_} = 1 foreach pairs(split /,/);
	}
	my $right = grep { $true{$_} } keys %sure;
	my $counted = grep { !$either{$_} } keys %sure;
	note(sprintf('%s: %d of %d sure pairs are right, %d of %d true ones found', $name, $right, $counted, $right, scalar keys %true));
	note("wrong: $_") foreach grep { !$true{$_} && !$either{$_} } sort keys %sure;
	note("not found: $_") foreach grep { !$sure{$_} } sort keys %true;
	cmp_ok(100 * $right / $counted, '>=', $precision, "$name: what is sure is right");
	cmp_ok(100 * $right / keys %true, '>=', $recall, "$name: and there is enough of it");
	$all_sure += $counted;
	$all_right += $right;
	$all_true += keys %true;

	# what was linked is no news, and drift() can compare it
	my $statements = sql($node, $name, q(SELECT string_agg(statement, E';\n') FROM ownership.suggest_links() WHERE sure));
	sql($node, $name, $statements);
	is(sql($node, $name, 'SELECT count(*) FROM ownership.suggest_links() WHERE sure'), 0, "$name: each statement links its columns");
}
like(sql($node, 'pharmacy', q(SELECT reason FROM ownership.suggest_links() WHERE columns @> '{wms.item.bin}')),
	qr/^too few rows agree for columns whose names are not alike; \d+ of 256 compared rows agree/, 'what is not sure says why');
note(sprintf('all: %d of %d sure pairs are right, %d of %d true ones found', $all_right, $all_sure, $all_right, $all_true));

# Large tables: samples, and rows that are looked up by index.
sql($node, 'postgres', <<'END');
CREATE EXTENSION ownership;
CREATE SCHEMA one; CREATE SCHEMA two; CREATE SCHEMA few;
CREATE TABLE one.big AS SELECT 'K' || n * 7 AS code, substr(md5('n' || n), 1, 14) AS name, (hashint4(n) & 65535) / 100.0 AS price FROM generate_series(1, 600000) n;
CREATE UNIQUE INDEX ON one.big (code);
CREATE TABLE two.big AS SELECT code AS item, CASE WHEN hashtext(code) & 7 = 0 THEN name || 'x' ELSE name END AS title FROM one.big;
CREATE UNIQUE INDEX ON two.big (item);
CREATE TABLE two.loose AS TABLE two.big;
CREATE TABLE few.rows AS SELECT code AS number, price AS amount FROM one.big WHERE hashtext(code) & 255 = 0;
ANALYZE;
END
is(sql($node, 'postgres', 'SELECT array_to_string(columns, $$ $$), contained, agree > 0.8 FROM ownership.suggest_links() WHERE sure ORDER BY columns::text COLLATE "C"'), <<'END' =~ s/\n\z//r, 'of large tables the rows are found by index');
few.rows.amount one.big.price||t
few.rows.number one.big.code two.big.item|1.000|
one.big.name two.big.title||t
END

# A table that is locked is waited for, or left out.
my $holder = $node->background_psql('postgres');
$holder->query_safe('BEGIN; LOCK TABLE few.rows');
my ($out, $err);
$node->psql('postgres', q(SET lock_timeout = '100ms'; SELECT count(*) FROM ownership.suggest_links() WHERE sure), stdout => \$out, stderr => \$err);
is($out, 2, 'a table that is locked is left out');
like($err, qr/NOTICE: .*table "few\.rows" is left out: canceling statement due to lock timeout/, 'and a notice says so');
$holder->quit;

done_testing();
