# Decisions where only a whole cluster shows them: rejected attempts, evidence
# of replicated writes, a dump and its restore, a standby.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $shop = new_node('shop');
my $hub = new_node('hub', preload => 1, activity => 1, extra => "wal_retrieve_retry_interval = '200ms'\n");

sub shop { return sql($shop, 'postgres', $_[0]) }
sub hub { return sql($hub, 'postgres', $_[0]) }
my $open = 'SELECT conflict_id, row_key, column_name, system, outcome, refused, stored FROM ownership.disagreements';

shop(q{
	CREATE TABLE product (region text, sku text, price numeric, title text, PRIMARY KEY (region, sku));
	CREATE PUBLICATION shop FOR TABLE product WITH (publish = 'insert, update, delete')});
hub(q{
	CREATE EXTENSION ownership;
	CREATE ROLE crm LOGIN;
	CREATE TABLE product (region text, sku text, price numeric, title text, PRIMARY KEY (region, sku)) PARTITION BY LIST (region);
	CREATE TABLE product_eu PARTITION OF product FOR VALUES IN ('eu');
	CREATE TABLE product_us PARTITION OF product FOR VALUES IN ('us');
	INSERT INTO product VALUES ('eu', 'A1', 1, 'Lamp'), ('eu', 'A2', 2, 'Desk');
	GRANT ALL ON product TO crm;
	SELECT ownership.add_system('erp', 'erp'), ownership.add_system('shop', 'storefront'), ownership.add_system('crm', 'crm', role => 'crm');
	SELECT ownership.assign('product', '{region,sku,price}', 'erp'), ownership.assign('product', '{title}', 'shop')});

# A rejected attempt came to no row: it disagrees, and can be accepted.
like(error_as($hub, 'postgres', 'crm', q{UPDATE product SET price = 1.50, title = 'x' WHERE sku = 'A1'}), qr/42501/, 'rejected');
like(error_as($hub, 'postgres', 'crm', q{DELETE FROM product WHERE sku = 'A2'}), qr/42501/, 'rejected, too');
like(error_as($hub, 'postgres', 'crm', q{TRUNCATE product}), qr/42501/, 'and this');
hub('SELECT ownership.flush()');
is(hub("$open ORDER BY row_key, column_name, conflict_id"), join("\n",
	'1|{"sku": "A1", "region": "eu"}|price|crm|rejected|1.50|1',
	'1|{"sku": "A1", "region": "eu"}|title|crm|rejected|x|Lamp',
	'2|{"sku": "A2", "region": "eu"}||crm|rejected||'), 'rejected writes disagree');
is(hub('SELECT ownership.accept(ARRAY[1, 2]::bigint[])'), '2', 'and are accepted');
is(hub('TABLE product'), 'eu|A1|1.50|x', 'which writes them');
is(hub('SELECT operation, outcome, system IS NULL FROM ownership.conflict WHERE id > 3 ORDER BY id'),
	"UPDATE|overridden|t\nDELETE|overridden|t\nDELETE|remembered|t", 'as evidence');

# Replicated: values kept out, rows discarded, a move between partitions
# discarded whole.
shop(q{INSERT INTO product VALUES ('eu', 'A1', 9, 'Shop lamp'), ('eu', 'S1', 9, 'Shop''s own')});
hub(sprintf(q{INSERT INTO ownership.identity (kind, name, system) VALUES ('subscription', 'feed', 'shop');
	CREATE SUBSCRIPTION feed CONNECTION '%s' PUBLICATION shop WITH (copy_data = false)}, connstr($shop, 'postgres')));
shop(q{UPDATE product SET price = 8, title = 'Shop lamp' WHERE sku = 'A1'});
shop(q{INSERT INTO product VALUES ('eu', 'S2', 7, 'New')});
shop(q{UPDATE product SET region = 'us', price = 6 WHERE sku = 'A1'});
$shop->wait_for_catchup('feed');
is(hub('TABLE product'), 'eu|A1|1.50|Shop lamp', 'the feed may write its title');
hub('SELECT ownership.dismiss(id) FROM ownership.conflict WHERE system = \'crm\' AND resolution IS NULL');
is(hub("SELECT operation, outcome, row_key, columns FROM ownership.conflict WHERE system = 'shop' ORDER BY id"), join("\n",
	'UPDATE|kept|{"sku": "A1", "region": "eu"}|{price}',
	'INSERT|parked|{"sku": "S2", "region": "eu"}|{title}',
	'INSERT|discarded|{"sku": "S2", "region": "eu"}|{price}',
	'UPDATE|discarded|{"sku": "A1", "region": "eu"}|{region,price}'), 'evidence of the feed');
my $before = hub("$open ORDER BY row_key, column_name, conflict_id");
is($before =~ s/^\d+\|//mgr, join("\n",
	'{"sku": "A1", "region": "eu"}|price|shop|discarded|6|1.50',
	'{"sku": "A1", "region": "eu"}|region|shop|discarded|us|eu',
	'{"sku": "S2", "region": "eu"}||shop|discarded|{"sku": "S2", "price": "7", "region": "eu"}|'), 'the last words of the feed');
is(hub("SELECT ownership.accept(ARRAY(SELECT id FROM ownership.conflict WHERE system = 'shop' AND resolution IS NULL))"), '4', 'all are accepted');
is(hub('SELECT tableoid::regclass, * FROM product ORDER BY sku'), "product_us|us|A1|6|Shop lamp\nproduct_eu|eu|S2|7|New",
	'the row has moved, the new one is there');

# A standby and a read-only transaction: reading works, deciding does not.
$hub->backup('b');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($hub, 'b', has_streaming => 1);
$standby->start;
error_as($hub, 'postgres', 'crm', q{UPDATE product SET price = 100 WHERE sku = 'A1'});
hub('SELECT ownership.flush()');
$hub->wait_for_catchup($standby);
my $id = hub('SELECT max(conflict_id) FROM ownership.disagreements');
is(sql($standby, 'postgres', "$open WHERE conflict_id = $id"), hub("$open WHERE conflict_id = $id"), 'disagreements on a standby');
is(sql($standby, 'postgres', "SELECT count(*) > 0 FROM ownership.revert(NULL, '-infinity')"), 't', 'and a dry run of revert');
my (undef, undef, $error) = $standby->psql('postgres', "SELECT ownership.accept($id)");
like($error, qr/read-only transaction/, 'but no accept');
$standby->stop;

# A dump brings evidence and decisions as they were.
my $state = 'SELECT md5(string_agg(c::text, chr(10) ORDER BY id)), count(resolved_by) > 3 FROM ownership.conflict c';
hub('CREATE DATABASE other');
my $dump = "$PostgreSQL::Test::Utils::tmp_check/hub.dump";
$hub->command_ok([ 'pg_dump', '--no-subscriptions', '-f', $dump, 'postgres' ], 'dump');
$hub->command_ok([ 'psql', '-qX', '-v', 'ON_ERROR_STOP=1', '-f', $dump, 'other' ], 'restore');
is(sql($hub, 'other', $state), hub($state), 'evidence and who resolved it are restored');
is(sql($hub, 'other', "SELECT ownership.accept($id)"), '1', 'and what is open can be accepted there');

hub('DROP SUBSCRIPTION feed');
$hub->stop;
$shop->stop;
done_testing();
