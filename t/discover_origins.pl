# discover(): who wrote the rows before the extension came, by what PostgreSQL keeps
# of their transactions.  Feeds, first copies whose origin's number is used again,
# frozen rows, restarts, a counter that has gone round, a standby.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $hub = new_node('hub', extra => "track_commit_timestamp = off\nautovacuum = off\n");
my $source = new_node('source');

sub super { return sql($hub, 'postgres', shift); }

# discover(PATTERN): relation, system, origin, told_by, rows and whether dated, line by line
sub discover
{
	my ($pattern) = @_;
	return super(qq{SELECT concat_ws('|', relation, coalesce(system, '-'), coalesce(origin, '-'), told_by, rows,
			CASE WHEN since <= until THEN 'dated' ELSE '-' END)
		FROM ownership.discover('$pattern') ORDER BY relation, told_by, origin});
}

#
# Tracking is off, then on.
#
super(q{CREATE EXTENSION ownership;
	CREATE TABLE old (id int PRIMARY KEY, updated_by text);
	INSERT INTO old SELECT i, CASE WHEN i > 7 THEN 'nightly job' END FROM generate_series(1, 10) i});
is(discover('old'), "old|-|nightly job|column updated_by|3|-\nold|-|-|unknown: track_commit_timestamp is off|7|-",
	'without commit timestamps only columns tell');
$hub->append_conf('postgresql.conf', "track_commit_timestamp = on\n");
$hub->restart;
is(discover('old'), "old|-|nightly job|column updated_by|3|-\nold|-|-|unknown: older than the commit timestamps that are kept|7|-",
	'what was written before tracking is unknown');

#
# Two subscriptions.
#
foreach my $system ('erp', 'crm')
{
	$source->safe_psql('postgres', "CREATE DATABASE $system");
	sql($source, $system, q{CREATE TABLE product (sku text PRIMARY KEY, price numeric, note text)});
}
sql($source, 'erp', q{CREATE TABLE item (sku text PRIMARY KEY, price numeric);
	INSERT INTO item SELECT 'S' || i, i FROM generate_series(1, 10) i;
	CREATE PUBLICATION p FOR ALL TABLES});
sql($source, 'crm', q{CREATE PUBLICATION p FOR ALL TABLES});
super(q{CREATE TABLE item (sku text PRIMARY KEY, price numeric);
	CREATE TABLE product (sku text PRIMARY KEY, price numeric, note text)});

sub subscribe
{
	my ($name, $db) = @_;
	super("CREATE SUBSCRIPTION $name CONNECTION '" . connstr($source, $db) . "' PUBLICATION p");
	wait_for($hub, 'postgres', "SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel");
	# the worker of the first copy drops its origin when it is done
	wait_for($hub, 'postgres', "SELECT count(*) = count(s.oid) FROM pg_replication_origin LEFT JOIN pg_subscription s ON roname = 'pg_' || s.oid WHERE roname LIKE 'pg%'");
}
subscribe('erp_feed', 'erp');
is(discover('item'),
	'item|-|-|unknown: its replication origin was dropped, as that of a first copy is; subscriptions of the table: erp_feed|10|dated',
	'rows of a first copy');
# numbers below that of item's first copy are taken, so that the next origin gets it
is(super(q{SELECT count(pg_replication_origin_create('taken ' || i)) >= 0 FROM generate_series(2, (SELECT (pg_xact_commit_timestamp_origin(xmin)).roident::int - 1 FROM item LIMIT 1)) i}),
	't', 'the number of the first copy\'s origin is the next one that is free');
subscribe('crm_feed', 'crm');
is(super(q{SELECT subname FROM pg_replication_origin JOIN pg_subscription s ON roname = 'pg_' || s.oid WHERE roident IN
		(SELECT roident FROM pg_xact_commit_timestamp_origin((SELECT xmin FROM item LIMIT 1)))}),
	'crm_feed', 'the other subscription has the number of that first copy\'s origin');
is(discover('item'), 'item|-|-|unknown: its replication origin may be an older one of the same number|10|dated',
	'and is not taken for the writer');

sql($source, 'erp', q{UPDATE item SET price = price + 1 WHERE price <= 4; INSERT INTO product SELECT 'S' || i, i FROM generate_series(1, 8) i});
sql($source, 'crm', q{INSERT INTO product SELECT 'C' || i, NULL, 'x' FROM generate_series(1, 2) i});
$source->wait_for_catchup($_) foreach 'erp_feed', 'crm_feed';
my $item = "item|-|erp_feed|origin|4|dated\nitem|-|-|unknown: its replication origin may be an older one of the same number|6|dated";
is(discover('item'), $item, 'changed rows are of their feed');
is(discover('product'), "product|-|crm_feed|origin|2|dated\nproduct|-|erp_feed|origin|8|dated", 'two feeds of one table');

is(discover('*t*'), "$item\nproduct|-|crm_feed|origin|2|dated\nproduct|-|erp_feed|origin|8|dated", 'the tables of one run have the same origins');

#
# Sessions, savepoints, an origin of a session; rows of the running transaction.
#
super(q{CREATE TABLE hand (id int PRIMARY KEY, modified_by text);
	SELECT pg_replication_origin_create('loader');
	BEGIN; INSERT INTO hand VALUES (1); SAVEPOINT a; INSERT INTO hand VALUES (2); RELEASE a;
	SAVEPOINT b; INSERT INTO hand VALUES (3); ROLLBACK TO b; COMMIT});
super(q{SELECT pg_replication_origin_session_setup('loader');
	BEGIN; INSERT INTO hand VALUES (11); SAVEPOINT a; INSERT INTO hand VALUES (12); SAVEPOINT b; INSERT INTO hand VALUES (13); COMMIT});
# rows that several transactions have locked
super(q{BEGIN; SELECT FROM hand FOR SHARE; PREPARE TRANSACTION 'locks'; BEGIN; SELECT FROM hand FOR SHARE; COMMIT});
is(discover('hand'), "hand|-|-|no origin: a session of this server|2|dated\nhand|-|loader|origin|3|dated", 'sessions and savepoints');
super(q{ROLLBACK PREPARED 'locks'});
is(super(q{BEGIN; INSERT INTO hand VALUES (21); SAVEPOINT a; INSERT INTO hand VALUES (22); DELETE FROM hand WHERE id = 1;
		SELECT told_by, rows FROM ownership.discover('hand') ORDER BY 1; ROLLBACK}),
	"no origin: a session of this server|1\norigin|3\nunknown: of this transaction|2", 'rows of the running transaction');

#
# An origin's number is used again by a transaction that began before the rows were written.
#
super(q{CREATE TABLE late (id int); SELECT pg_replication_origin_create('first')});
my $long = $hub->background_psql('postgres', on_error_stop => 1);
$long->query_safe('BEGIN; SELECT pg_current_xact_id()');
super(q{SELECT pg_replication_origin_session_setup('first'); INSERT INTO late VALUES (1)});
is(discover('late'), 'late|-|first|origin|1|dated', 'an origin');
super(q{SELECT pg_replication_origin_drop('first')});
is(discover('late'), 'late|-|-|unknown: its replication origin was dropped, as that of a first copy is|1|dated', 'that is dropped');
$long->query_safe(q{SELECT pg_replication_origin_create('second'); COMMIT});
$long->quit;
is(super(q{SELECT o.roname FROM late t CROSS JOIN pg_xact_commit_timestamp_origin(t.xmin) c JOIN pg_replication_origin o USING (roident)}),
	'second', 'its number is used again by an older transaction');
is(discover('late'), 'late|-|-|unknown: its replication origin may be an older one of the same number|1|dated', 'which is not the writer');
super(q{SELECT pg_replication_origin_session_setup('second'); INSERT INTO late VALUES (2)});
is(discover('late'), "late|-|second|origin|1|dated\nlate|-|-|unknown: its replication origin may be an older one of the same number|1|dated",
	'of what it writes it is');

#
# Frozen rows, a restart.
#
super('VACUUM FREEZE item, product, hand, pg_replication_origin');
is(discover('item'), $item, 'frozen rows still have their transactions');
super(q{BEGIN; CREATE TABLE copied (id int); COPY copied FROM PROGRAM 'seq 3' (FREEZE); COMMIT});
is(discover('copied'), 'copied|-|-|no origin: a session of this server|3|dated', 'rows that COPY froze');
$hub->restart;
is(discover('item'), $item, 'the same after a restart');

#
# Identities.
#
super(q{SELECT ownership.add_system('erp', 'erp', subscription => 'erp_feed'), ownership.add_system('etl', 'other');
	SELECT ownership.identify('etl', origin => 'loader');
	SELECT ownership.identify(NULL, subscription => 'crm_feed', carrier => true)});
is(discover('product'), "product|-|crm_feed|origin|2|dated\nproduct|erp|erp_feed|origin|8|dated", 'the system of a subscription');
is(discover('hand'), "hand|-|-|no origin: a session of this server|2|dated\nhand|etl|loader|origin|3|dated", 'the system of an origin');
super(q{SELECT ownership.add_system('crm', 'crm'), ownership.add_tables('product', source => 'crm')});
is(discover('product'), "product|crm|crm_feed|origin|2|dated\nproduct|erp|erp_feed|origin|8|dated", 'a carrier writes as the source of the table');
like(super(q{SELECT DISTINCT substring(reason, 'written by.*') FROM ownership.suggest('product')}), qr/^written by erp: 80 % of rows, crm: 20 %$/, 'suggest() says it');
is(super(q{SELECT count(*) FROM ownership.suggest_by_names('product') WHERE reason LIKE '%written by%'}), '0', 'but not where only names are asked for');

#
# A run that takes long announces the tables; it waits for DDL alone.
#
my $ddl = $hub->background_psql('postgres', on_error_stop => 1);
$ddl->query_safe('BEGIN; LOCK TABLE copied IN ACCESS EXCLUSIVE MODE');
is(super(q{SELECT count(*) FROM ownership.suggest('copied') WHERE reason LIKE '%written%'}), '0', 'suggest() does not wait for a lock');
my ($rc, undef, $error) = $hub->psql('postgres', q{SET lock_timeout = '300ms'; SELECT * FROM ownership.discover('copied')});
like($error, qr/lock timeout/, 'discover() does, as a query would');
my ($out, $err) = ('', '');
my $run = IPC::Run::start([ 'psql', '-XAtq', '-d', $hub->connstr('postgres'), '-c', q{SELECT sum(rows) FROM ownership.discover()} ], '>', \$out, '2>', \$err);
wait_for($hub, 'postgres', q{SELECT count(*) = 1 FROM pg_locks WHERE NOT granted});
sleep 4;
$ddl->query_safe('COMMIT');
$ddl->quit;
$run->finish;
like($err, qr/NOTICE:  reading table "hand", 2 of \d/, 'a long run says where it is');
unlike($err, qr/reading table "copied"/, 'not before it is long');

#
# Many rows: an estimate.
#
super(q{CREATE TABLE many (id int, filler text);
	INSERT INTO many SELECT i, repeat('x', 50) FROM generate_series(1, 90000) i});
is(discover('many'), 'many|-|-|no origin: a session of this server|90000|dated', '90,000 rows are counted');
super(q{SELECT pg_replication_origin_session_setup('loader'); INSERT INTO many SELECT i, repeat('x', 50) FROM generate_series(1, 360000) i});
my $many = discover('many');
like($many, qr/^many\|-\|-\|no origin: a session of this server \(estimate from \d+ rows in \d+ of \d+ pages\)\|(8|9)\d{4}\|dated\nmany\|etl\|loader\|origin \(estimate from 1000\d\d rows in \d+ of \d+ pages\)\|3[56]\d{4}\|dated$/,
	'450,000 are estimated');
is(discover('many'), $many, 'the same each time');
is(super(q{SELECT sum(rows) BETWEEN 449000 AND 451000 FROM ownership.discover('many')}), 't', 'about as many as there are');

#
# A standby has what its primary keeps.
#
$hub->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($hub, 'base', has_streaming => 1);
$standby->start;
$hub->wait_for_catchup($standby, 'replay', $hub->lsn('insert'));
is(sql($standby, 'postgres', q{SELECT system, origin, told_by, rows FROM ownership.discover('product') ORDER BY 1}), "crm|crm_feed|origin|2\nerp|erp_feed|origin|8", 'on a standby');
$standby->stop;

#
# The counter of transactions has gone round: a frozen row may be of either round.
#
super(q{UPDATE item SET price = 0 WHERE sku = 'S1'});
super(q{ALTER SUBSCRIPTION erp_feed DISABLE; ALTER SUBSCRIPTION crm_feed DISABLE});
$hub->stop;
command_ok([ 'pg_resetwal', '-e', '1', $hub->data_dir ], 'the next round of the counter');
$hub->start;
is(discover('item'), "item|-|-|no origin: a session of this server|1|dated\nitem|-|-|unknown: frozen, its transaction is not known any more|9|-",
	'then frozen rows are unknown, others not');
is(discover('late'), "late|-|second|origin|1|dated\nlate|-|-|unknown: its replication origin may be an older one of the same number|1|dated", 'and origins are known');

$hub->stop;
$source->stop;
done_testing();
