# A replicated INSERT that meets its row: which columns it writes, and what it leaves.
# A replicated UPDATE that gives a row the key for which something waits.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use Test::More;

my $pub = new_node('source', extra => "max_wal_senders = 20\nmax_replication_slots = 20\n");
my $hub = new_node('hub', preload => 1, extra => "wal_retrieve_retry_interval = '50ms'\n");
sql($pub, 'postgres', 'CREATE DATABASE pim');
sql($hub, 'postgres', 'CREATE DATABASE integration');

sub pim { sql($pub, 'pim', $_[0]); return }
sub hub { return sql($hub, 'integration', $_[0]) }

# the record's key is the sku; each side has ids of its own
my $columns = 'id int PRIMARY KEY, sku text NOT NULL UNIQUE, title text, descr text';
pim("CREATE TABLE product ($columns); CREATE TABLE late ($columns); CREATE PUBLICATION p FOR TABLE product, late");
hub(q{CREATE EXTENSION ownership; SELECT ownership.add_system('erp', 'erp'), ownership.add_system('pim', 'pim')});
foreach my $table (qw(product late))
{
	hub(qq{
		CREATE TABLE $table ($columns, unmapped text, price numeric);
		SELECT ownership.assign('$table', '{sku,price}', 'erp', policy => 'keep');
		SELECT ownership.assign('$table', '{title,descr}', 'pim');
		SELECT ownership.assign('$table', '{id}', NULL);
		UPDATE ownership.field SET key = (name = 'sku') WHERE entity = '$table'});
}
hub(q{ALTER TABLE late ALTER descr SET DEFAULT 'none'});
# the first copy meets no row of "product", and "late" is empty at the source
pim(q{INSERT INTO product VALUES (1, 'A', 'a', 'x')});
my $conninfo = connstr($pub, 'pim');
hub(qq{
	SELECT ownership.identify('pim', subscription => 'hub_pim');
	CREATE SUBSCRIPTION hub_pim CONNECTION '$conninfo' PUBLICATION p});
$hub->wait_for_subscription_sync($pub, 'hub_pim', 'integration');
is(hub('SELECT row_key, proposed FROM ownership.conflict WHERE outcome = \'parked\''), '{"sku": "A"}|{"id": "1", "descr": "x", "title": "a"}', 'the copy parks what PIM says');

sub arrived { $pub->wait_for_catchup('hub_pim'); return hub($_[0]) }

hub(q{
	SET ownership.enforcement = off;
	INSERT INTO product VALUES (101, 'B', 'old', 'old', 'ours', 5);
	INSERT INTO late VALUES (101, 'B', 'old', 'old', 'ours', 5)});
pim(q{INSERT INTO product VALUES (2, 'B', 'b', NULL); INSERT INTO late VALUES (2, 'B', 'b', NULL)});
is(arrived('TABLE product'), '101|B|b||ours|5',
	'an INSERT that meets its row: NULL in a published column counts, the primary key and columns off the map stay');
is(arrived('TABLE late'), '101|B|b|old|ours|5', 'NULL in a column that may not be published does not count');
pim(q{DELETE FROM late; INSERT INTO late VALUES (2, 'B', 'b', 'y'); UPDATE late SET title = 'c'; });
hub(q{SET ownership.enforcement = off; UPDATE late SET descr = 'old'});
pim(q{DELETE FROM late; INSERT INTO late VALUES (2, 'B', 'c', NULL)});
is(arrived('TABLE late'), '101|B|c||ours|5', 'an UPDATE says what is published');

# the owner of the key gives a row another one, by a stream and by SQL
hub(q{
	UPDATE ownership.identity SET system = 'erp' WHERE name = 'hub_pim';
	SET ownership.enforcement = off; DELETE FROM product; DELETE FROM late; RESET ownership.enforcement;
	SET ownership.system = 'pim';
	INSERT INTO late (id, sku, title) VALUES (7, 'D', 'waits')});
pim(q{DELETE FROM late; INSERT INTO late VALUES (3, 'C', NULL, NULL); UPDATE late SET sku = 'D'});
is(arrived('SELECT id, sku, title FROM late'), '3|D|waits', 'a replicated UPDATE of the key brings back what waits');

# what the creator's stream says of another's field, and what waits stands before
hub(q{
	UPDATE ownership.field SET policy = 'fill' WHERE entity = 'late' AND name = 'title';
	SET ownership.system = 'pim';
	INSERT INTO late (id, sku, title) VALUES (8, 'E', 'waits')});
pim(q{INSERT INTO late VALUES (4, 'E', 'of erp', NULL)});
is(arrived(q{SELECT id, title FROM late WHERE sku = 'E'}), '4|waits', 'what waits stands before what fill lets the creator bring');
is(hub(q{SELECT row_key, outcome, columns, stored, proposed FROM ownership.conflict WHERE system = 'erp' AND outcome = 'kept' AND row_key @> '{"sku": "E"}'}),
	'{"sku": "E"}|kept|{title}|{"title": "waits"}|{"title": "of erp"}', 'and is evidence');
done_testing();
