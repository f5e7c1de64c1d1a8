# Several systems feed shared and landing tables of a hub by logical
# replication, and the map decides what lands.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $pub = new_node('sources', extra => "max_wal_senders = 20\nmax_replication_slots = 20\n");
my $hub = new_node('hub', preload => 1,
	extra => "wal_retrieve_retry_interval = '200ms'\n");

my @sources = qw(erp crm pim etl);
sql($pub, 'postgres', "CREATE DATABASE $_") foreach @sources;
sql($hub, 'postgres', 'CREATE DATABASE integration');

sub source { return sql($pub, $_[0], $_[1]) }
sub hub { return sql($hub, 'integration', $_[0]) }
sub caught_up { $pub->wait_for_catchup("hub_$_") foreach @_ }

# a source's change, and what became of it
sub send_from
{
	my ($db, $sql) = @_;
	source($db, $sql);
	caught_up($db);
}

# new evidence since the last call
my $told = 0;

sub evidence
{
	my $rows = hub(qq{
		SELECT system, origin, operation, outcome, table_name, columns, row_key, stored, proposed
		FROM ownership.conflict WHERE id > $told ORDER BY id});
	$told = hub('SELECT coalesce(max(id), 0) FROM ownership.conflict');
	return $rows;
}

# lines of the hub's log since an offset
sub warnings_since
{
	my ($offset, $pattern) = @_;
	my $log = slurp_file($hub->logfile, $offset);
	return scalar(() = $log =~ /$pattern/g);
}

#
# The hub's tables.  A source has those of them that it sends.
#
my %ddl = (
	product => q{
		CREATE TABLE product (sku text PRIMARY KEY, name text, price numeric(10,2),
			stock int, segment text, description text)},
	customer => q{
		CREATE TABLE customer (id int PRIMARY KEY, email text, phone text, note text, weight int)},
	orders => q{
		CREATE TABLE orders (id int PRIMARY KEY, status text NOT NULL, comment text)},
	review => q{
		CREATE TABLE review (id int PRIMARY KEY, sku text NOT NULL, body text)},
	rating => q{
		CREATE TABLE rating (id int PRIMARY KEY, stars int DEFAULT 3, body text)});

hub($ddl{$_}) foreach sort keys %ddl;
hub(q{
	-- only the hub has these: their defaults are not a feed's writes
	ALTER TABLE product ADD loaded_at timestamptz DEFAULT clock_timestamp(), ADD state text DEFAULT 'new';
	CREATE SCHEMA land_erp;
	CREATE SCHEMA land_crm;
	CREATE TABLE land_erp.item (id int PRIMARY KEY, price numeric);
	CREATE TABLE land_crm.contact (id int PRIMARY KEY, email text, price numeric)});
source($_, "$ddl{product}; $ddl{orders}") foreach qw(erp crm pim etl);
source('crm', "$ddl{customer}; $ddl{review}; $ddl{rating}");
source('erp', $ddl{customer});
source('etl', q{
	CREATE SCHEMA land_erp;
	CREATE SCHEMA land_crm;
	CREATE TABLE land_erp.item (id int PRIMARY KEY, price numeric);
	CREATE TABLE land_crm.contact (id int PRIMARY KEY, email text, price numeric)});

my $products = q{
	INSERT INTO product VALUES
		('A-1', 'Anvil', 10, 1, 'none', 'heavy'), ('A-2', 'Bolt', 20, 2, 'none', 'light'),
		('A-3', 'Crate', 30, 3, 'none', 'wooden')};
source($_, $products) foreach qw(erp crm pim etl);
# what the crm has and does not send again: a value out of line that did not change
source('crm', q{
	ALTER TABLE product ALTER description SET STORAGE EXTERNAL;
	UPDATE product SET description = repeat('x', 5000) WHERE sku = 'A-2'});

hub(q{
	CREATE EXTENSION ownership;
	SELECT ownership.add_system('erp', 'erp');
	SELECT ownership.add_system('crm', 'crm');
	SELECT ownership.add_system('pim', 'pim');
	SELECT ownership.add_system('mdm', 'mdm');
	SELECT ownership.assign('product', '{sku,price,stock}', 'erp');
	SELECT ownership.assign('product', '{name,description}', 'pim');
	SELECT ownership.assign('product', '{segment}', 'crm');
	SELECT ownership.assign('product', '{loaded_at,state}', 'mdm');
	SELECT ownership.assign('customer', '{id,email}', 'erp');
	SELECT ownership.assign('customer', '{phone}', 'erp', policy => 'fill');
	SELECT ownership.assign('customer', '{note}', 'erp', policy => 'keep');
	SELECT ownership.assign('customer', '{weight}', 'erp', policy => 'observe');
	SELECT ownership.assign('orders', '{id}', 'crm');
	SELECT ownership.assign('orders', '{status}', 'erp');
	SELECT ownership.assign_rows('orders', '{status}', 'crm', $$status IN ('cart', 'checkout')$$);
	SELECT ownership.assign('review', '{id,body}', 'crm');
	SELECT ownership.assign('review', '{sku}', 'erp');
	SELECT ownership.assign('rating', '{id,body}', 'crm');
	SELECT ownership.assign('rating', '{stars}', 'erp');
	SELECT ownership.add_tables('land_erp.*', source => 'erp');
	SELECT ownership.add_tables('land_crm.*', source => 'crm');
	-- not the source's own: what the source writes there is drift, never refused
	UPDATE ownership.field SET owner = 'erp' WHERE entity = 'land_crm.contact' AND name = 'price';
	CREATE ROLE feeder SUPERUSER LOGIN});

foreach my $db (@sources)
{
	source($db, "CREATE PUBLICATION pub_$db FOR ALL TABLES");
	my $conninfo = connstr($pub, $db);
	# only the erp's table is copied: the others' rows are its rows
	my $copy = $db eq 'erp' ? 'true' : 'false';
	hub(qq{
		CREATE SUBSCRIPTION hub_$db CONNECTION '$conninfo' PUBLICATION pub_$db WITH (copy_data = $copy, enabled = false)});
	hub("SELECT ownership.identify('$db', subscription => 'hub_$db')")
	  if $db eq 'erp' || $db eq 'crm';
	hub("ALTER SUBSCRIPTION hub_$db ENABLE");
}
$hub->wait_for_subscription_sync($pub, 'hub_erp', 'integration');
caught_up(@sources);

my %origin = map { $_ => hub("SELECT 'pg_' || oid FROM pg_subscription WHERE subname = 'hub_$_'") } @sources;

#
# The copy of the erp's rows obeys the map: the name, the segment and the
# description are others'; their place is taken by the default.
#
is(hub(q{SELECT sku, name, price, stock, segment, description, loaded_at IS NOT NULL, state FROM product ORDER BY sku}),
	"A-1||10.00|1|||t|new\nA-2||20.00|2|||t|new\nA-3||30.00|3|||t|new",
	'the first copy obeys the map');
is(hub(q{
		SELECT system, operation, outcome, columns, row_key, proposed FROM ownership.conflict
		ORDER BY row_key->>'sku'}),
	join("\n",
		q(erp|INSERT|kept|{name,segment,description}|{"sku": "A-1"}|{"name": "Anvil", "segment": "none", "description": "heavy"}),
		q(erp|INSERT|kept|{name,segment,description}|{"sku": "A-2"}|{"name": "Bolt", "segment": "none", "description": "light"}),
		q(erp|INSERT|kept|{name,segment,description}|{"sku": "A-3"}|{"name": "Crate", "segment": "none", "description": "wooden"})),
	'what it kept out is evidence');
# as a maintenance session puts the rest there
hub(q{
	SET ownership.enforcement = off;
	UPDATE product SET name = 'Anvil', segment = 'none', description = 'heavy' WHERE sku = 'A-1';
	UPDATE product SET name = 'Bolt', segment = 'none', description = 'light' WHERE sku = 'A-2';
	UPDATE product SET name = 'Crate', segment = 'none', description = 'wooden' WHERE sku = 'A-3'});
evidence();

#
# reject acts as keep: the rest of the row lands, the refused value is
# evidence, the server log has a warning, the stream goes on.
#
my $offset = -s $hub->logfile;
send_from('crm', q{UPDATE product SET price = 9, segment = 'gold' WHERE sku = 'A-1'});
is(hub(q{SELECT price, segment FROM product WHERE sku = 'A-1'}),
	'10.00|gold', 'its own column lands, the price stays');
is(evidence(),
	qq(crm|$origin{crm}|UPDATE|kept|product|{price}|{"sku": "A-1"}|{"price": "10.00"}|{"price": "9.00"}),
	'the refused price is evidence');
is(warnings_since($offset, qr/WARNING:  .*"crm".*"price"/), 1, 'a warning in the server log');

# the whole row is sent again, with the refused price in it
send_from('crm', q{UPDATE product SET segment = 'silver' WHERE sku = 'A-1'});
is(hub(q{SELECT price, segment FROM product WHERE sku = 'A-1'}), '10.00|silver', 'a re-send lands');
is(evidence(), '', 'the same refused value is recorded once');

# another refused value, and back: each time it is not the latest
send_from('crm', q{UPDATE product SET price = 8 WHERE sku = 'A-1'});
send_from('crm', q{UPDATE product SET price = 9 WHERE sku = 'A-1'});
is(evidence(),
	join("\n", map { qq(crm|$origin{crm}|UPDATE|kept|product|{price}|{"sku": "A-1"}|{"price": "10.00"}|{"price": "$_"}) } '8.00', '9.00'),
	'another value is recorded');
# the same value for another row is another refusal
send_from('crm', q{UPDATE product SET price = 9 WHERE sku = 'A-2'});
is(evidence(),
	qq(crm|$origin{crm}|UPDATE|kept|product|{price}|{"sku": "A-2"}|{"price": "20.00"}|{"price": "9.00"}),
	'so is the same value for another row; a value out of line that was not sent is not written');
is(hub(q{SELECT description FROM product WHERE sku = 'A-2'}), 'light', 'and it stays');
is(warnings_since($offset, qr/WARNING:  .*"price"/), 1,
	'one warning a minute for subscription and column');
send_from('crm', q{UPDATE product SET stock = 77 WHERE sku = 'A-2'});
is(warnings_since($offset, qr/WARNING:  .*"stock"/), 1, 'another column has its own');
is(evidence(),
	qq(crm|$origin{crm}|UPDATE|kept|product|{stock}|{"sku": "A-2"}|{"stock": "2"}|{"stock": "77"}),
	'only the column that was not told yet is in the evidence');
# the whole row agrees with what is stored: no conflict
send_from('crm', q{UPDATE product SET price = 10.0, segment = 'iron' WHERE sku = 'A-1'});
is(evidence(), '', 'sending what is stored is no conflict');
is(hub(q{SELECT segment FROM product WHERE sku = 'A-1'}), 'iron', 'and its own column lands');

# its owner writes it, and blanks it
send_from('erp', q{UPDATE product SET price = 11, stock = NULL WHERE sku = 'A-1'});
is(hub(q{SELECT price, stock FROM product WHERE sku = 'A-1'}), '11.00|', 'the owner writes');
# the erp's own row still has the names that it may not write: recorded before
is(evidence(), '', 'and its own stale copies are no news');

#
# An UPDATE of which nothing is left is skipped.
#
my $version = hub(q{SELECT xmin, ctid FROM product WHERE sku = 'A-3'});
send_from('crm', q{UPDATE product SET price = 5 WHERE sku = 'A-3'});
is(hub(q{SELECT xmin, ctid FROM product WHERE sku = 'A-3'}), $version, 'nothing is left: the row is not written');
is(evidence(),
	qq(crm|$origin{crm}|UPDATE|kept|product|{price}|{"sku": "A-3"}|{"price": "30.00"}|{"price": "5.00"}),
	'but it is evidence');

#
# The key decides which rows there are.
#
send_from('crm', q{INSERT INTO product VALUES ('C-1', 'Dowel', 1, 1, 'new', NULL)});
is(hub(q{SELECT count(*) FROM product WHERE sku = 'C-1'}), '0', 'who does not own the key creates no row');
like(evidence(),
	qr/^crm\|$origin{crm}\|INSERT\|parked\|product\|\{segment\}\|\{"sku": "C-1"\}\|\|\{"segment": "new"\}\ncrm\|$origin{crm}\|INSERT\|discarded\|product\|[^|]*\|\{"sku": "C-1"\}\|\|\{.*"name": "Dowel".*\}$/,
	'its own value waits, and the rest of the row is evidence');
send_from('crm', q{UPDATE product SET segment = 'newer' WHERE sku = 'C-1'});
is(evidence(), '', 'its updates find no row');
send_from('crm', q{DELETE FROM product WHERE sku = 'A-2'});
is(hub(q{SELECT count(*) FROM product WHERE sku = 'A-2'}), '1', 'nor does it delete one');
like(evidence(), qr/^crm\|$origin{crm}\|DELETE\|discarded\|product\|\{sku\}\|\{"sku": "A-2"\}\|[^|]*\|$/,
	'the deletion is evidence');
# the row is there: the insert must not run into its key, and updates it
send_from('crm', q{INSERT INTO product VALUES ('A-2', 'Bolt', 20, 2, 'again', 'light')});
is(hub(q{SELECT segment FROM product WHERE sku = 'A-2'}), 'again', 'an insert of a row that is there meets it');
is(evidence(), '', 'without conflict');
send_from('crm', q{UPDATE product SET sku = 'Z-3', segment = 'named' WHERE sku = 'A-3'});
is(hub(q{SELECT sku, segment FROM product WHERE sku IN ('A-3', 'Z-3')}), 'A-3|named',
	'nor does it rename one; the rest of the row lands');
is(evidence(),
	qq(crm|$origin{crm}|UPDATE|kept|product|{sku}|{"sku": "A-3"}|{"sku": "A-3"}|{"sku": "Z-3"}),
	'the new name is evidence');
send_from('erp', q{
	INSERT INTO product (sku, price) VALUES ('E-1', 3), ('E-2', 4);
	UPDATE product SET sku = 'E-3' WHERE sku = 'E-1';
	DELETE FROM product WHERE sku = 'E-2'});
is(hub(q{SELECT sku, price, loaded_at IS NOT NULL, state FROM product WHERE sku LIKE 'E%'}), 'E-3|3.00|t|new',
	'its owner creates, renames and deletes');
like(evidence(), qr/^erp\|$origin{erp}\|DELETE\|remembered\|product\|\{loaded_at,state\}\|\{"sku": "E-2"\}\|[^|]*\|$/, 'and what it takes along is remembered');

#
# A subscription that maps to nothing is nobody, whatever its owner's role and
# settings say.
#
hub(q{
	ALTER SUBSCRIPTION hub_pim OWNER TO feeder;
	SELECT ownership.identify('pim', role => 'feeder');
	ALTER ROLE feeder SET ownership.system = 'pim'});
is(psql_as($hub, 'integration', 'feeder', 'SELECT ownership.current_system()'), 'pim', 'the role is the pim');
is(hub(q{SELECT relation FROM ownership.risks WHERE risk = 'unidentified_feed' AND detail LIKE '%hub_pim%' ORDER BY 1}),
	"orders\nproduct", 'risks tell of the feed');
# the worker that runs as the new owner
hub('ALTER SUBSCRIPTION hub_pim DISABLE');
wait_for($hub, 'integration', q{SELECT count(*) = 0 FROM pg_stat_subscription WHERE subname = 'hub_pim' AND pid IS NOT NULL});
hub('ALTER SUBSCRIPTION hub_pim ENABLE');
send_from('pim', q{UPDATE product SET name = 'Great Anvil' WHERE sku = 'A-1'});
is(hub(q{SELECT name, price FROM product WHERE sku = 'A-1'}), 'Anvil|11.00', 'an unidentified subscription owns nothing');
like(evidence(),
	qr/^\|$origin{pim}\|UPDATE\|kept\|product\|\{name,price,stock,segment\}\|\{"sku": "A-1"\}\|.*"name": "Great Anvil"/,
	'its evidence has the origin and no system');
# identified, in a running worker
hub(q{SELECT ownership.identify('pim', subscription => 'hub_pim')});
send_from('pim', q{UPDATE product SET name = 'Greater Anvil', description = 'very heavy' WHERE sku = 'A-1'});
is(hub(q{SELECT name, description, price FROM product WHERE sku = 'A-1'}), 'Greater Anvil|very heavy|11.00',
	'identified, it writes what it owns');
like(evidence(), qr/^pim\|$origin{pim}\|UPDATE\|kept\|product\|\{price,stock,segment\}\|/, 'and only that');
is(hub(q{SELECT count(*) FROM ownership.risks WHERE risk = 'unidentified_feed' AND detail LIKE '%hub_pim%'}),
	'0', 'the risk is gone');

#
# Identity by the name of an origin, in an SQL session.  There, reject is an
# error.
#
hub(q{
	SELECT pg_replication_origin_create('mdm_feed'), pg_replication_origin_create('other_feed');
	SELECT ownership.identify('mdm', origin => 'mdm_feed')});
is(hub(q{
		SELECT pg_replication_origin_session_setup('mdm_feed') \gset
		UPDATE product SET state = 'checked' WHERE sku = 'A-1';
		SELECT ownership.current_system(), state FROM product WHERE sku = 'A-1'}),
	'mdm|checked', 'an origin is the system that its name maps to');
wait_for_exits($hub, 'integration');
like(error_as($hub, 'integration', 'feeder', q{
		SELECT pg_replication_origin_session_setup('mdm_feed');
		UPDATE product SET price = 1 WHERE sku = 'A-1'}),
	qr/ERROR:  42501: .*"mdm".*"price"/, 'which may not write another\'s field');
# neither the role nor the setting speaks for an origin
my $unmapped = error_as($hub, 'integration', 'feeder', q{
		SELECT pg_replication_origin_session_setup('other_feed');
		UPDATE product SET name = 'x' WHERE sku = 'A-1'});
like($unmapped, qr/ERROR:  42501: .*"other_feed".*"name"/, 'an origin that maps to nothing is nobody');
wait_for_exits($hub, 'integration');
is(psql_as($hub, 'integration', 'feeder', q{
		SELECT pg_replication_origin_session_setup('other_feed') \gset
		SELECT ownership.current_system() IS NULL}), 't', 'and current_system() says so');
is(psql_as($hub, 'integration', 'feeder', q{
		UPDATE product SET name = 'Greatest Anvil' WHERE sku = 'A-1' RETURNING name}), 'Greatest Anvil',
	'the same role without it is the pim');
evidence();

#
# Policies in apply.
#
send_from('erp', q{INSERT INTO customer VALUES (1, 'a@example.com', NULL, 'erp note', 5)});
is(hub('SELECT * FROM customer'), '1|a@example.com||erp note|5', 'the owner inserts');
# the crm learns of the customer, elsewhere; its insert here is not its to make
send_from('crm', q{INSERT INTO customer VALUES (1, 'a@example.com', NULL, 'erp note', 5)});
evidence();
$offset = -s $hub->logfile;
send_from('crm', q{UPDATE customer SET weight = 6 WHERE id = 1});
is(hub('SELECT weight FROM customer'), '6', 'observe: it goes through');
is(evidence(), qq(crm|$origin{crm}|UPDATE|observed|customer|{weight}|{"id": 1}|{"weight": "5"}|{"weight": "6"}), 'observe: evidence');
send_from('crm', q{UPDATE customer SET phone = '110' WHERE id = 1});
is(hub('SELECT phone FROM customer'), '110', 'fill: a blank is filled');
is(evidence(), qq(crm|$origin{crm}|UPDATE|filled|customer|{phone}|{"id": 1}|{"phone": null}|{"phone": "110"}), 'fill: evidence');
send_from('crm', q{UPDATE customer SET phone = '112' WHERE id = 1});
is(hub('SELECT phone FROM customer'), '110', 'fill: a value stays');
is(evidence(), qq(crm|$origin{crm}|UPDATE|kept|customer|{phone}|{"id": 1}|{"phone": "110"}|{"phone": "112"}), 'fill: the other is evidence');
send_from('crm', q{UPDATE customer SET note = 'crm note' WHERE id = 1});
is(hub('SELECT note FROM customer'), 'erp note', 'keep: the value stays');
is(evidence(), qq(crm|$origin{crm}|UPDATE|kept|customer|{note}|{"id": 1}|{"note": "erp note"}|{"note": "crm note"}), 'keep: evidence');
is(warnings_since($offset, qr/WARNING:/), 0, 'none of these warns: none is reject');
# each of them in one row, with a blank that is not the owner's
send_from('crm', q{UPDATE customer SET weight = 7, phone = NULL, note = '', email = 'b@example.com' WHERE id = 1});
is(hub('SELECT * FROM customer'), '1|a@example.com|110|erp note|7', 'all policies in one row');
is(evidence(), join("\n",
		qq(crm|$origin{crm}|UPDATE|observed|customer|{weight}|{"id": 1}|{"weight": "6"}|{"weight": "7"}),
		qq(crm|$origin{crm}|UPDATE|kept|customer|{email,phone,note}|{"id": 1}|{"note": "erp note", "email": "a\@example.com", "phone": "110"}|{"note": "", "email": "b\@example.com", "phone": null})),
	'one row of evidence an outcome');

#
# Row owners: the stored row decides.
#
send_from('crm', q{INSERT INTO orders VALUES (1, 'cart', 'mine')});
send_from('crm', q{UPDATE orders SET status = 'checkout' WHERE id = 1});
is(hub('SELECT * FROM orders'), '1|checkout|mine', 'in the cart the status is the crm\'s');
source('erp', q{INSERT INTO orders VALUES (1, 'checkout', 'mine')});
send_from('erp', q{UPDATE orders SET status = 'stolen' WHERE id = 1});
is(hub('SELECT status FROM orders'), 'checkout', 'and not the erp\'s');
like(evidence(), qr/^erp\|$origin{erp}\|UPDATE\|kept\|orders\|\{status\}\|\{"id": 1\}\|\{"status": "checkout"\}\|\{"status": "stolen"\}$/,
	'its attempts are evidence');
send_from('crm', q{UPDATE orders SET status = 'paid' WHERE id = 1});
is(hub('SELECT status FROM orders'), 'paid', 'the crm takes it through the checkout');
send_from('crm', q{UPDATE orders SET status = 'cart', comment = 'oops' WHERE id = 1});
is(hub('SELECT status, comment FROM orders'), 'paid|oops', 'after it, the status is the crm\'s no more');
is(evidence(), qq(crm|$origin{crm}|UPDATE|kept|orders|{status}|{"id": 1}|{"status": "paid"}|{"status": "cart"}), 'evidence');
send_from('erp', q{UPDATE orders SET status = 'shipped' WHERE id = 1});
is(hub('SELECT status FROM orders'), 'shipped', 'but the erp\'s');
# nobody owns the comment; the erp's row has an old one
is(hub('SELECT comment FROM orders'), 'mine', 'a column off the map is anyone\'s');
is(evidence(), '', 'and no conflict');
send_from('crm', q{INSERT INTO orders VALUES (2, 'paid', 'no cart')});
is(hub('SELECT count(*) FROM orders WHERE id = 2'), '0', 'INSERT: the new row decides; no default stands in for NOT NULL');
like(evidence(), qr/^crm\|$origin{crm}\|INSERT\|discarded\|orders\|\{status\}\|\{"id": 2\}\|\|\{"id": "2", "status": "paid", "comment": "no cart"\}$/,
	'the whole row is evidence');

#
# INSERT with another's column.
#
send_from('crm', q{INSERT INTO review VALUES (1, 'A-1', 'fine')});
is(hub('SELECT count(*) FROM review'), '0', 'a row whose NOT NULL column has no default is discarded whole');
is(evidence(), qq(crm|$origin{crm}|INSERT|discarded|review|{sku}|{"id": 1}||{"id": "1", "sku": "A-1", "body": "fine"}), 'as evidence');
send_from('crm', q{INSERT INTO rating VALUES (1, 5, 'fine'), (2, 3, 'so so'), (3, NULL, 'no idea')});
is(hub('SELECT * FROM rating ORDER BY id'), "1|3|fine\n2|3|so so\n3||no idea", 'elsewhere the default stands in');
is(evidence(), qq(crm|$origin{crm}|INSERT|kept|rating|{stars}|{"id": 1}|{"stars": "3"}|{"stars": "5"}),
	'NULL and the constant default write nothing');

#
# A carrier writes landing tables as their source, and is nobody on a shared one.
#
hub(q{SELECT ownership.identify(NULL, subscription => 'hub_etl', carrier => true)});
send_from('etl', q{
	INSERT INTO land_erp.item VALUES (1, 10), (2, 20);
	UPDATE land_erp.item SET price = 11 WHERE id = 1;
	DELETE FROM land_erp.item WHERE id = 2;
	INSERT INTO land_crm.contact VALUES (1, 'a@example.com', 5);
	UPDATE land_crm.contact SET price = 6, email = 'b@example.com'});
is(hub(q{SELECT i.*, c.* FROM land_erp.item i, land_crm.contact c}), '1|11|1|b@example.com|6',
	'a carrier is the source of a landing table, which writes all of its copy');
is(evidence(), '', 'without conflict');
send_from('etl', q{UPDATE product SET price = 99, segment = 'x' WHERE sku = 'A-3'});
is(hub(q{SELECT price, segment FROM product WHERE sku = 'A-3'}), '30.00|named', 'on a shared table it is nobody');
is(evidence(), qq(|$origin{etl}|UPDATE|kept|product|{price,segment}|{"sku": "A-3"}|{"price": "30.00", "segment": "named"}|{"price": "99.00", "segment": "x"}),
	'evidence names no system');
# another's feed does not write a landing table
hub(q{DELETE FROM ownership.identity WHERE name = 'hub_etl';
	SELECT ownership.identify('pim', subscription => 'hub_etl')});
send_from('etl', q{UPDATE land_erp.item SET price = 12});
is(hub('SELECT price FROM land_erp.item'), '11', 'another system does not write a landing table');
is(evidence(), qq(pim|$origin{etl}|UPDATE|kept|item|{price}|{"id": 1}|{"price": "11"}|{"price": "12"}), 'evidence');

#
# A steward writes every field; each foreign write is evidence.
#
hub(q{DELETE FROM ownership.identity WHERE name = 'hub_etl';
	SELECT ownership.identify(NULL, subscription => 'hub_etl', steward => true)});
send_from('etl', q{UPDATE product SET price = 98, segment = 'x' WHERE sku = 'A-3'});
is(hub(q{SELECT price, segment FROM product WHERE sku = 'A-3'}), '98.00|x', 'a steward writes');
is(evidence(), qq(|$origin{etl}|UPDATE|overridden|product|{price,segment}|{"sku": "A-3"}|{"price": "30.00", "segment": "named"}|{"price": "98.00", "segment": "x"}),
	'overridden');
send_from('etl', q{
	INSERT INTO product (sku) VALUES ('S-1');
	DELETE FROM product WHERE sku = 'A-3'});
is(hub(q{SELECT string_agg(sku, ' ' ORDER BY sku) FROM product}), 'A-1 A-2 E-3 S-1', 'creates and deletes');
like(evidence(), qr/^\|$origin{etl}\|INSERT\|overridden\|product\|\{sku\}\|\{"sku": "S-1"\}.*\n\|$origin{etl}\|DELETE\|overridden\|product\|\{sku\}\|\{"sku": "A-3"\}/,
	'overridden');

#
# enforcement = observe is a dry run, in apply too; off looks at nothing.
#
hub(q{ALTER DATABASE integration SET ownership.enforcement = 'observe'});
hub(q{ALTER SUBSCRIPTION hub_crm DISABLE});
wait_for($hub, 'integration', q{SELECT count(*) = 0 FROM pg_stat_subscription WHERE subname = 'hub_crm' AND pid IS NOT NULL});
hub(q{ALTER SUBSCRIPTION hub_crm ENABLE});
send_from('crm', q{UPDATE customer SET note = 'dry run' WHERE id = 1});
is(hub('SELECT note, email FROM customer'), 'dry run|b@example.com', 'observe: every policy lets through');
is(evidence(), qq(crm|$origin{crm}|UPDATE|observed|customer|{email,phone,note}|{"id": 1}|{"note": "erp note", "email": "a\@example.com", "phone": "110"}|{"note": "dry run", "email": "b\@example.com", "phone": null}),
	'observed');
hub(q{ALTER DATABASE integration RESET ownership.enforcement});
hub(q{ALTER SUBSCRIPTION hub_crm DISABLE});
wait_for($hub, 'integration', q{SELECT count(*) = 0 FROM pg_stat_subscription WHERE subname = 'hub_crm' AND pid IS NOT NULL});

#
# A strict identity raises.  With disable_on_error the subscription is
# disabled, and goes on where it stopped once the map is corrected.
#
hub(q{
	DELETE FROM ownership.identity WHERE name = 'hub_crm';
	SELECT ownership.identify('crm', subscription => 'hub_crm', strict => true);
	ALTER SUBSCRIPTION hub_crm SET (disable_on_error = true);
	ALTER SUBSCRIPTION hub_crm ENABLE});
send_from('crm', q{UPDATE product SET price = 20, segment = 'strict' WHERE sku = 'A-2'});
is(hub(q{SELECT price, segment FROM product WHERE sku = 'A-2'}), '20.00|strict', 'strict: its own columns land');
# keep is keep, whoever is strict
send_from('crm', q{UPDATE customer SET email = 'b@example.com', phone = NULL, note = 'kept' WHERE id = 1});
is(hub('SELECT note FROM customer'), 'dry run', 'strict: keep is keep');
evidence();
$offset = -s $hub->logfile;
source('crm', q{UPDATE product SET price = 21, segment = 'stricter' WHERE sku = 'A-2'});
wait_for($hub, 'integration', q{SELECT NOT subenabled FROM pg_subscription WHERE subname = 'hub_crm'});
is(warnings_since($offset, qr/ERROR:  system "crm" may not write column "price" of table "product"/), 1, 'strict: an error, once');
is(hub(q{SELECT price, segment FROM product WHERE sku = 'A-2'}), '20.00|strict', 'nothing of it lands');
source('crm', q{UPDATE product SET segment = 'strictest' WHERE sku = 'A-2'});
hub(q{
	UPDATE ownership.field SET owner = 'crm' WHERE entity = 'product' AND name = 'price';
	ALTER SUBSCRIPTION hub_crm ENABLE});
caught_up('crm');
is(hub(q{SELECT price, segment FROM product WHERE sku = 'A-2'}), '21.00|strictest', 'it goes on after the map was corrected');
is(evidence(), '', 'without conflict');
hub(q{UPDATE ownership.field SET owner = 'erp' WHERE entity = 'product' AND name = 'price';
	ALTER SUBSCRIPTION hub_crm SET (disable_on_error = false)});
# without disable_on_error the worker tries again and again, and sees the map
source('crm', q{UPDATE product SET price = 22 WHERE sku = 'A-2'});
wait_for($hub, 'integration', q{SELECT apply_error_count > 1 FROM pg_stat_subscription_stats WHERE subname = 'hub_crm'});
# at once: the worker may begin again in between
hub(q{BEGIN;
	DELETE FROM ownership.identity WHERE name = 'hub_crm';
	SELECT ownership.identify('crm', subscription => 'hub_crm');
	COMMIT});
caught_up('crm');
is(hub(q{SELECT price FROM product WHERE sku = 'A-2'}), '21.00', 'no longer strict, it goes on by itself');
is(evidence(), qq(crm|$origin{crm}|UPDATE|kept|product|{price}|{"sku": "A-2"}|{"price": "21.00"}|{"price": "22.00"}), 'evidence');

#
# TRUNCATE can only raise.
#
hub(q{ALTER SUBSCRIPTION hub_crm SET (disable_on_error = true)});
source('crm', q{TRUNCATE customer});
wait_for($hub, 'integration', q{SELECT NOT subenabled FROM pg_subscription WHERE subname = 'hub_crm'});
is(hub('SELECT count(*) FROM customer'), '1', 'TRUNCATE in a stream raises, without strict, too');
is(hub(q{SELECT relation FROM ownership.guards WHERE 'hub_crm' = ANY (subscriptions) AND truncate_note ~ 'pub_crm' ORDER BY relation COLLATE "C"}),
	"customer\norders\nproduct\nrating\nreview", 'guards tells which feeds to look at');
# of a table whose key it owns
source('crm', q{INSERT INTO rating VALUES (4, 3, 'last')});
hub(q{
	UPDATE ownership.field SET policy = 'observe' WHERE entity = 'customer' AND name = 'id';
	ALTER SUBSCRIPTION hub_crm ENABLE});
caught_up('crm');
is(hub('SELECT count(*) FROM customer'), '0', 'under observe it goes through');
like(evidence(), qr/^crm\|$origin{crm}\|TRUNCATE\|remembered\|customer\|\{email,note,weight\}\|.*\ncrm\|$origin{crm}\|TRUNCATE\|observed\|customer\|\{id\}\|\|\|$/s,
	'as one row of evidence without values, besides what is remembered');
is(hub('SELECT count(*) FROM rating'), '4', 'and the stream goes on');
send_from('crm', q{TRUNCATE rating});
is(hub('SELECT count(*) FROM rating'), '0', 'the key\'s owner may truncate');
unlike(evidence(), qr/\|TRUNCATE\|(?!remembered)/, 'without conflict');

$hub->stop;
$pub->stop;
done_testing();
