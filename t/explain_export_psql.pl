# export('psql'): the file that psql runs in another database, and what it tells
# of things that are not there.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('hub');
my $file = $node->basedir . '/map.sql';
my $tables = 'CREATE TABLE product (sku text PRIMARY KEY, price numeric, title text)';

sql($node, 'postgres', "CREATE ROLE erp; CREATE ROLE editor LOGIN; CREATE DATABASE again; CREATE DATABASE bare");
sql($node, 'postgres', "CREATE EXTENSION ownership; $tables;" . q{
	SELECT ownership.add_system('erp', 'erp', role => 'erp'), ownership.add_system('pim', 'pim', subscription => 'from_pim');
	SELECT ownership.assign('product', '{sku,price}', 'erp', readers => '{pim}'), ownership.assign('product', '{title}', 'pim');
	SELECT ownership.identify('erp', role => 'editor')});
sql($node, $_, 'CREATE EXTENSION ownership') foreach qw(again bare);
sql($node, 'again', $tables);

# run(DATABASE, ARGUMENTS): psql runs the file; its status, what it told
sub run
{
	my ($db, @args) = @_;
	my ($out, $err);
	my $ok = IPC::Run::run([ 'psql', '-Xq', @args, '-d', $node->connstr($db), '-f', $file ], '>', \$out, '2>', \$err);

	$err =~ s/^psql:[^ ]* //mg;
	return ($ok ? 0 : 1, $err);
}

sub export { return sql($node, $_[0], 'SELECT ownership.export()') }

my $map = export('postgres');
open my $out, '>', $file or die $!;
print $out "$map\n";
close $out;

my $not_yet = qq{NOTICE:  subscription "from_pim" does not exist yet\nDETAIL:  It is identified as soon as it is created in this database.\n};
my ($rc, $told) = run('again');
is("$rc $told", "0 $not_yet", 'it runs in a database with the tables');
is(export('again'), $map, 'and makes the same map');
is(sql($node, 'again', q{SELECT guarded FROM ownership.guards}), 't', 'with its guards');
my $history = sql($node, 'again', 'SELECT max(id) FROM ownership.map_history');
($rc, $told) = run('again');
is("$rc $told", "0 $not_yet", 'it runs again');
is(sql($node, 'again', 'SELECT max(id) FROM ownership.map_history'), $history, 'and changes nothing');

# where the tables are missing
($rc, $told) = run('bare');
is("$rc $told", "0 $not_yet" . qq{NOTICE:  table "product" is not there yet\nDETAIL:  Until it is, it is the risk broken_mirror.\nHINT:  When it is there, run this script again, or ownership.guard(): it is not guarded before.\n}, 'it tells that a table is not there');
is(export('bare'), $map, 'the map is the same');
sql($node, 'bare', 'CREATE TABLE product (sku text PRIMARY KEY, price numeric)');
sql($node, 'postgres', 'DROP OWNED BY editor; DROP ROLE editor');
($rc, $told) = run('bare');
is("$rc $told", qq{0 NOTICE:  role "editor" does not exist yet\nDETAIL:  It is identified as soon as it is created.\n$not_yet}
	. qq{NOTICE:  table "product" does not have all columns of the map: title\nDETAIL:  Until it has, they are the risk broken_mirror.\n}, 'or a role, or a column');
is(sql($node, 'bare', q{SELECT guarded FROM ownership.guards}), 't', 'the table is guarded');

# it is whole or not at all, and removes only what it is told to
sql($node, 'again', q{SELECT ownership.add_system('new', 'bi'); UPDATE ownership.field SET owner = 'new' WHERE name = 'price';
	INSERT INTO ownership.field (entity, name, owner) VALUES ('brand', 'name', 'new')});
sql($node, 'again', q{CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END'; CREATE TRIGGER fails BEFORE UPDATE ON ownership.field FOR EACH ROW EXECUTE FUNCTION fails()});
my $before = export('again');
($rc, $told) = run('again');
like("$rc $told", qr/^1 ERROR:  no/, 'an error ends it');
is(export('again'), $before, 'and nothing is changed');
sql($node, 'again', 'DROP TRIGGER fails ON ownership.field');
run('again');
is(join("\n", grep { index($map, $_) < 0 } split /\n/, export('again')),
	"INSERT INTO new_system (name, kind) VALUES ('new', 'bi');\nINSERT INTO new_field (entity, name, owner) VALUES ('brand', 'name', 'new');", 'what is new stays');
run('again', '-v', 'ownership_remove=1');
is(export('again'), $map, 'with ownership_remove the map is that of the file');

# a dump and an export are of one mind
my $dump = $node->basedir . '/dump.sql';
$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('postgres') ], 'dump');
sql($node, 'postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr('restored') ], 'restored');
is(export('restored'), export('postgres'), 'the restored map exports the same');
done_testing();
