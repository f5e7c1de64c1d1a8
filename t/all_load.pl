# The extension can be created and dropped, with and without the library
# preloaded, and leaves nothing behind.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my ($version) = slurp_file("$FindBin::RealBin/../ownership.control") =~
  /^default_version = '(.*)'/m;

# Everything that an extension could leave.  PostgreSQL itself keeps the schema
# that the control file names.
my $objects = q{
SELECT type, identity FROM (
	SELECT 'pg_namespace'::regclass AS classid, oid FROM pg_namespace
	UNION ALL SELECT 'pg_class'::regclass, oid FROM pg_class
	UNION ALL SELECT 'pg_proc'::regclass, oid FROM pg_proc
	UNION ALL SELECT 'pg_type'::regclass, oid FROM pg_type
	UNION ALL SELECT 'pg_trigger'::regclass, oid FROM pg_trigger
	UNION ALL SELECT 'pg_event_trigger'::regclass, oid FROM pg_event_trigger
	UNION ALL SELECT 'pg_cast'::regclass, oid FROM pg_cast
	UNION ALL SELECT 'pg_operator'::regclass, oid FROM pg_operator
	UNION ALL SELECT 'pg_extension'::regclass, oid FROM pg_extension) AS o,
	pg_identify_object(classid, oid, 0)
WHERE oid >= 16384 AND (type, identity) <> ('schema', 'ownership')
ORDER BY identity COLLATE "C"};

foreach my $preload (1, 0)
{
	my $how = $preload ? 'preloaded' : 'not preloaded';
	my $node = new_node("load_$preload", preload => $preload);

	my $before = sql($node, 'postgres', $objects);
	sql($node, 'postgres', 'CREATE EXTENSION ownership');
	is( sql($node, 'postgres',
			q{SELECT extversion FROM pg_extension WHERE extname = 'ownership'}),
		$version, "the extension is there, $how");
	isnt(sql($node, 'postgres', $objects), $before, "it has objects, $how");
	sql($node, 'postgres', 'DROP EXTENSION ownership');
	is(sql($node, 'postgres', $objects),
		$before, "dropping it leaves nothing, $how");
	sql($node, 'postgres', 'CREATE EXTENSION ownership');
	pass("it can be created again, $how");

	$node->stop;
}

done_testing();
