# What users made of the guide survives a dump, into the same and into a newer
# version of the extension, and an upgrade; what is shipped comes with the version.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir();

# An installation of our own, in which a newer version can be put.
my ($conf, $scripts) = ('', undef);
if ($ENV{OWNERSHIP_CONF})
{
	$conf = slurp_file($ENV{OWNERSHIP_CONF});
	if ($conf =~ /^extension_(?:destdir|control_path) = '([^:']+)/m)
	{
		(my $from = $1) =~ s{/usr/.*}{};
		system_or_bail('cp', '-R', $from, "$dir/install");
		$conf =~ s/\Q$from\E/$dir\/install/g;
		$scripts = `find '$dir/install' -name ownership.control` =~ s{/ownership\.control\s*$}{}r;
	}
}
my $node = new_node('guide', extra => $conf);

sub domains { return sql($node, $_[0], 'SELECT name, shipped, md5(d::text) FROM ownership.domain d ORDER BY name COLLATE "C"') }

sql($node, 'postgres', 'CREATE DATABASE old');
sql($node, 'old', q{
	CREATE EXTENSION ownership;
	SELECT ownership.add_system('erp', 'erp');
	-- changed, added, deleted, renamed, deleted and added again, and what came to be shipped later
	UPDATE ownership.domain SET policy = 'keep', note = 'Ours' WHERE name = 'price';
	INSERT INTO ownership.domain (name, natural_owner, column_pattern, table_pattern) VALUES ('warranty', '{erp}', 'warranty|guarantee', 'product');
	DELETE FROM ownership.domain WHERE name IN ('loyalty', 'cost');
	UPDATE ownership.domain SET name = 'kundendaten' WHERE name = 'identity';
	INSERT INTO ownership.domain (name, note) VALUES ('cost', 'again'), ('recycling', 'ours');
	-- fields use all kinds of them
	INSERT INTO ownership.field (entity, name, domain, owner) SELECT 'product', d, d, 'erp'
		FROM unnest('{price,warranty,stock,kundendaten,cost,recycling}'::text[]) d});
my $before = domains('old');
is(sql($node, 'old', 'SELECT count(*) FILTER (WHERE shipped), count(*) FILTER (WHERE NOT shipped) FROM ownership.domain'), '18|5',
	'some are as shipped, some are the users\'');

# The same version.
$node->command_ok([ 'pg_dump', '-f', "$dir/plain.sql", 'old' ], 'pg_dump, plain');
my $dump = slurp_file("$dir/plain.sql");
like($dump, qr/^price\t.*\tOurs\t/m, 'what was changed is in the dump');
unlike($dump, qr/^stock\t/m, 'what is as shipped is not');
sql($node, 'postgres', 'CREATE DATABASE plain');
$node->command_ok([ 'psql', '-XqAt', '-o', '/dev/null', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/plain.sql", 'plain' ], 'restored by psql');
is(domains('plain'), $before, 'the same domains');
is(sql($node, 'plain', 'SELECT string_agg(name, \',\' ORDER BY name) FROM ownership.deleted_domain'), 'identity,loyalty', 'what was deleted is still known');
is(sql($node, 'plain', 'SELECT count(*) FROM ownership.field'), '6', 'the fields are there');
# and once more, from what was restored
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$dir/again.dump", 'plain' ], 'pg_dump, custom');
sql($node, 'postgres', 'CREATE DATABASE again');
$node->command_ok([ 'pg_restore', '-e', '-d', 'again', "$dir/again.dump" ], 'pg_restore');
is(domains('again'), $before, 'the same domains again');
# data alone
sql($node, 'postgres', 'CREATE DATABASE data');
sql($node, 'data', 'CREATE EXTENSION ownership');
$node->command_ok([ 'pg_restore', '-e', '--data-only', '-d', 'data', "$dir/again.dump" ], 'pg_restore --data-only');
is(domains('data'), $before, 'the same domains from data alone');

SKIP:
{
	skip 'the extension is installed where no newer version can be put', 8 if !defined $scripts;

	# A newer version ships one domain more, a better note, and one that was deleted here.
	my $version = sql($node, 'old', q{SELECT extversion FROM pg_extension WHERE extname = 'ownership'});
	my $changes = <<'SQL';
UPDATE ownership.domain SET note = 'Better' WHERE shipped AND name IN ('price', 'stock', 'loyalty');
INSERT INTO ownership.domain (name, note, shipped)
SELECT name, 'New', true FROM (VALUES ('recycling'), ('loyalty'), ('carbon')) v (name)
WHERE NOT EXISTS (SELECT FROM ownership.deleted_domain x WHERE x.name = v.name)
ON CONFLICT DO NOTHING;
SQL
	append_to_file("$scripts/ownership--$version--99.0.sql", $changes);
	append_to_file("$scripts/ownership--99.0.sql", slurp_file("$scripts/ownership--$version.sql") . $changes);
	my $look = q{SELECT name, coalesce(note, ''), shipped FROM ownership.domain
		WHERE name IN ('price', 'stock', 'loyalty', 'recycling', 'carbon') ORDER BY name};
	my $expected = "carbon|New|t\nprice|Ours|f\nrecycling|ours|f\nstock|Better|t";

	sql($node, 'again', q{ALTER EXTENSION ownership UPDATE TO '99.0'});
	is(sql($node, 'again', $look), $expected, 'an upgrade changes what is as shipped, and nothing else');

	# the dump makes the extension in its default version
	my $control = slurp_file("$scripts/ownership.control") =~ s/^default_version.*$/default_version = '99.0'/mr;
	unlink "$scripts/ownership.control";
	append_to_file("$scripts/ownership.control", $control);
	sql($node, 'postgres', 'CREATE DATABASE newer');
	$node->command_ok([ 'psql', '-XqAt', '-o', '/dev/null', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/plain.sql", 'newer' ], 'restored into a newer version');
	is(sql($node, 'newer', q{SELECT extversion FROM pg_extension WHERE extname = 'ownership'}), '99.0', 'which it is');
	is(sql($node, 'newer', $look), $expected, 'the users\' rows are theirs, the others are the newer ones');
	is(sql($node, 'newer', q{SELECT domain FROM ownership.field WHERE domain IN ('recycling', 'kundendaten') ORDER BY 1}), "kundendaten\nrecycling",
		'their fields still use them');
	is(domains('newer'), domains('again'), 'as by an upgrade');
}

$node->stop;
done_testing();
