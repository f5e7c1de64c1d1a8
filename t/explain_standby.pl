# A hot standby answers every view and every function that only reads, as its primary
# does; a function that writes fails there with an error that says so.  A function
# that is added to the extension must be named in one of the lists below.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $pub = new_node('source');
my $hub = new_node('hub', preload => 1, activity => 1, extra => "wal_retrieve_retry_interval = '100ms'\nautovacuum = off\ntrack_commit_timestamp = on\n");

sub hub { return sql($hub, 'postgres', $_[0]) }

#
# Something of everything: a feed, a landing table, refused, parked, remembered and
# pinned values, copies that differ, what is planned, history, activity.
#
sql($pub, 'postgres', q{
	CREATE TABLE product (sku text PRIMARY KEY, price numeric, title text);
	CREATE PUBLICATION products FOR TABLE product WITH (publish = 'insert, update, delete')});
my $connection = connstr($pub, 'postgres');
hub(q{
	CREATE EXTENSION ownership;
	CREATE ROLE erp LOGIN; CREATE ROLE pim LOGIN; CREATE ROLE shop LOGIN;
	CREATE SCHEMA land;
	CREATE TABLE product (sku text PRIMARY KEY, price numeric, title text, stock int);
	CREATE TABLE land.item (sku text PRIMARY KEY, price numeric);
	CREATE TABLE person (id int PRIMARY KEY, email text);
	CREATE VIEW offer AS SELECT sku, price FROM product;
	INSERT INTO product VALUES ('a', 1, 'A', 1), ('b', 2, 'B', 2), ('c', 3, 'C', 3);
	INSERT INTO land.item VALUES ('a', 1.5), ('b', 2);
	INSERT INTO person VALUES (1, 'a@example.org');
	GRANT USAGE ON SCHEMA land TO PUBLIC;
	GRANT ALL ON product, land.item, person TO PUBLIC;
	SELECT ownership.add_system('erp', 'erp', role => 'erp'), ownership.add_system('pim', 'pim', role => 'pim'),
		ownership.add_system('shop', 'storefront', role => 'shop');
	SELECT ownership.add_tables('land.*', source => 'erp');
	SELECT ownership.assign('product', '{sku,price}', 'erp', policy => 'keep');
	SELECT ownership.assign('product', '{title}', 'pim', policy => 'keep');
	SELECT ownership.assign('product', '{stock}', 'shop');
	SELECT ownership.assign('person', '{id,email}', 'shop');
	SELECT ownership.link('product.sku', '{land.item.sku,product.sku}', authoritative => 'land.item.sku');
	SELECT ownership.link('product.price', '{land.item.price,product.price}', authoritative => 'land.item.price');
	UPDATE ownership.system SET contact = 'data@example.org' WHERE name = 'pim';
	UPDATE ownership.field SET history = true WHERE (entity, name) = ('product', 'stock')});
hub("CREATE SUBSCRIPTION pim_feed CONNECTION '$connection' PUBLICATION products WITH (copy_data = false)");
hub(q{SELECT ownership.identify('pim', subscription => 'pim_feed')});
wait_for($hub, 'postgres', q{SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel});
my $log = -s $hub->logfile;
# parked: a row that pim may not create; kept: a price that it does not own
sql($pub, 'postgres', q{INSERT INTO product VALUES ('n', 9, 'New'), ('m', 9, 'Mat'), ('a', 7, 'Lamp')});
sql($pub, 'postgres', q{UPDATE product SET price = 8 WHERE sku = 'a'});
wait_for_feed($pub, $hub, 'pim_feed', $log);
psql_as($hub, 'postgres', 'shop', q{UPDATE product SET stock = 5 WHERE sku = 'a'});
error_as($hub, 'postgres', 'erp', q{UPDATE product SET stock = 6 WHERE sku = 'b'});
# remembered: pim's title of a row that erp deletes
psql_as($hub, 'postgres', 'erp', q{DELETE FROM product WHERE sku = 'c'});
# observed: what revert() can take back; and what waits although its row is there
hub(q{UPDATE ownership.field SET policy = 'observe' WHERE (entity, name) = ('person', 'email')});
psql_as($hub, 'postgres', 'erp', q{UPDATE person SET email = 'b@example.org'});
hub(q{SET ownership.enforcement = off; INSERT INTO product (sku) VALUES ('m')});
hub(q{SELECT ownership.pin_value('product', '{"sku": "b"}', 'title', 'held', reason => 'test')});
hub(q{SELECT count(*) FROM ownership.hand_over('person.email', 'shop', 'pim', now() + interval '1 day', dry_run => false)});
# what is asked below is not counted on the primary either
hub('ALTER SYSTEM SET ownership.track_reads = off; SELECT pg_reload_conf()');
wait_for($hub, 'postgres', q{SELECT current_setting('ownership.track_reads') = 'off'});
wait_for_exits($hub, 'postgres');
hub('SELECT ownership.flush()');
my $refused = hub(q{SELECT min(id) FROM ownership.conflict WHERE outcome = 'kept'});

#
# What reads: a name of pg_proc, and what to ask.
#
my $key = q{'{"sku": "a"}'};
my @reads = (
	[ current_system => q{SELECT ownership.current_system()} ],
	[ explain => q{SELECT * FROM ownership.explain('product', 'price', 'pim')} ],
	[ explain => qq{SELECT * FROM ownership.explain('product', ${key}::jsonb, 'pim')} ],
	[ why => qq{SELECT * FROM ownership.why('product.price', $key)} ],
	[ why => q{SELECT * FROM ownership.why('product.title', '{"sku": "b"}')} ],
	[ why => q{SELECT * FROM ownership.why('product.title', '{"sku": "n"}')} ],
	[ page => 'SELECT ownership.page()' ],
	[ page => q{SELECT ownership.page('product', 'pim', 'data@example.org')} ],
	[ diagram => 'SELECT ownership.diagram()' ],
	[ diagram => q{SELECT ownership.diagram('dot')} ],
	[ discover => 'SELECT * FROM ownership.discover()' ],
	[ doctor => 'SELECT * FROM ownership.doctor()' ],
	[ drift => q{SELECT * FROM ownership.drift('product.price')} ],
	[ drift_summary => 'SELECT * FROM ownership.drift_summary()' ],
	[ export => 'SELECT ownership.export()' ],
	[ export => q{SELECT ownership.export('odcs')} ],
	[ export => q{SELECT ownership.export('dbt')} ],
	[ grants => 'SELECT * FROM ownership.grants()' ],
	[ impact => q{SELECT * FROM ownership.impact('product.price')} ],
	[ suggest => 'SELECT * FROM ownership.suggest()' ],
	[ suggest_links => 'SELECT * FROM ownership.suggest_links()' ],
	[ worksheet => 'SELECT * FROM ownership.worksheet()' ],
	[ worksheet => q{SELECT * FROM ownership.worksheet("only" => 'all')} ],
	# those that only write when they are told so
	[ hand_over => q{SELECT * FROM ownership.hand_over('*', 'erp', 'pim')} ],
	[ reconcile => q{SELECT ownership.reconcile('product.price', dry_run => true)} ],
	[ revert => q{SELECT * FROM ownership.revert(NULL, '-infinity')} ],
);

# What writes, and a call that has something to do.
my @writes = (
	[ accept => "SELECT ownership.accept($refused)" ],
	[ accept => "SELECT ownership.accept(ARRAY[$refused], pin => true)" ],
	[ add_system => q{SELECT ownership.add_system('new', 'other')} ],
	[ add_tables => q{SELECT ownership.add_tables('public.*', source => 'erp')} ],
	[ adopt => q{SELECT * FROM ownership.adopt('land.*')} ],
	[ apply_waiting => 'SELECT ownership.apply_waiting()' ],
	[ assign => q{SELECT ownership.assign('product', '{price}', 'pim')} ],
	[ assign_rows => q{SELECT ownership.assign_rows('product', '{price}', 'pim', $$sku = 'a'$$)} ],
	[ declare_seen => 'SELECT ownership.declare_seen()' ],
	[ dismiss => "SELECT ownership.dismiss($refused)" ],
	[ dismiss => "SELECT ownership.dismiss(ARRAY[$refused])" ],
	# a dry run of these two writes and rolls back
	[ erase => q{SELECT * FROM ownership.erase('person', '{"id": 1}')} ],
	[ import_sheet => q{SELECT * FROM ownership.import_sheet(E'Entity,Field,Owner\nproduct,price,pim\nproduct,colour,pim\n'::text)} ],
	[ import_sheet => q{SELECT * FROM ownership.import_sheet(convert_to(E'Entity,Field,Owner\nproduct,price,pim\n', 'UTF8'))} ],
	[ erase => q{SELECT * FROM ownership.erase('person', '{"id": 1}', dry_run => false)} ],
	[ flush => 'SELECT ownership.flush()' ],
	[ guard => q{SELECT ownership.guard('product')} ],
	[ guard_all => 'CALL ownership.guard_all()' ],
	[ hand_over => q{SELECT * FROM ownership.hand_over('*', 'erp', 'pim', dry_run => false)} ],
	[ identify => q{SELECT ownership.identify('erp', origin => 'other')} ],
	[ import_sheet => q{SELECT * FROM ownership.import_sheet(E'Entity,Field,Owner\nproduct,price,pim\n'::text, dry_run => false)} ],
	[ link => q{SELECT ownership.link('product.sku', '{product.sku,land.item.sku}')} ],
	[ pin => qq{SELECT ownership.pin('product', $key, 'title')} ],
	[ pin_value => qq{SELECT ownership.pin_value('product', $key, 'title', 'x')} ],
	[ prune => q{SELECT ownership.prune('0', unresolved => true)} ],
	[ reconcile => q{SELECT ownership.reconcile('product.price')} ],
	[ reconcile_all => 'CALL ownership.reconcile_all(\'*\')' ],
	[ revert => q{SELECT * FROM ownership.revert(NULL, '-infinity', dry_run => false)} ],
	[ unguard => q{SELECT ownership.unguard('product')} ],
	[ unpin => q{SELECT ownership.unpin('product', '{"sku": "b"}', 'title')} ],
);

# What decides by what it finds: these do not fail where there is nothing to do.
my @either = (
	[ assert_clean => 'SELECT ownership.assert_clean()' ],
	[ handover_due => 'SELECT ownership.handover_due()' ],
	[ pin_due => 'SELECT ownership.pin_due()' ],
);

my %listed = map { $_->[0] => 1 } @reads, @writes, @either;
is(join(' ', grep { !$listed{$_} } split /\n/, hub(q{SELECT DISTINCT proname FROM pg_proc
	WHERE pronamespace = 'ownership'::regnamespace AND coalesce(obj_description(oid, 'pg_proc'), '') NOT LIKE 'Internal:%'
		AND prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype) ORDER BY 1})), '', 'every function is listed');

#
# The standby
#
$hub->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($hub, 'base', has_streaming => 1);
$standby->start;
$hub->wait_for_catchup($standby, 'replay', $hub->lsn('insert'));

# The answer of a node to one statement, in one line a row.  What differs is replaced:
# the moment at which the answer was made.
sub answer
{
	my ($node, $role, $sql) = @_;
	my ($rc, $out, $err) = $node->psql('postgres', $sql, extra_params => [ '-U', $role ]);

	$out =~ s/\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?(\.\d+)?( ?UTC|\+00|Z)?/(moment)/g if $sql =~ /page\(|export\(/;
	return $rc == 0 ? $out : "FAILED $err";
}

# Did the standby answer, and what the primary answers?
sub same
{
	my ($role, $what, $sql) = @_;
	my ($there, $here) = map { answer($_, $role, $sql) } $standby, $hub;

	# a role that may not ask is told so by both
	unlike($there, qr/^FAILED/, "$what on the standby") if $role eq 'postgres';
	is($there, $here, "$role: $what, as on the primary");
	return;
}

# What servers tell of themselves differs between the two; it is looked at below.
my %own = map { $_ => 1 } qw(status metrics);
my @views = split /\n/, hub(q{SELECT relname FROM pg_class WHERE relnamespace = 'ownership'::regnamespace AND relkind = 'v' ORDER BY 1});
cmp_ok(scalar @views, '>', 20, 'there are views');
foreach my $role ('postgres', 'shop')
{
	same($role, "view $_", "SELECT * FROM ownership.$_ ORDER BY 1") foreach grep { !$own{$_} } @views;
	same($role, @{$_}[ 1, 1 ]) foreach grep { $_->[1] !~ /doctor|why|hand_over/ } @reads;
}

# status, metrics and doctor: the same rows; and what is counted in tables is the same.
my $rows = q{SELECT name, system, detail, CASE WHEN name ~ '^(conflicts_total|reads_total|writes_total|waiting|pins|mapped|mirrored|feed|map_behind|settings)' THEN value END FROM ownership.metrics ORDER BY 1, 2, 3};
same('postgres', 'metrics', $rows);
same('postgres', 'doctor', 'SELECT check_name, ok FROM ownership.doctor()');
same('postgres', 'status', 'SELECT fact FROM ownership.status');
is(sql($standby, 'postgres', q{SELECT value FROM ownership.status WHERE fact = 'standby'}), 'yes', 'status says that it is one');

# why() and hand_over() are the same but for the feed, whose worker is the primary's.
foreach my $ask (map { $_->[1] =~ s/\*/event, place, system, value, detail/r } grep { $_->[0] eq 'why' } @reads)
{
	same('postgres', $ask, "$ask WHERE event <> 'feed'");
	same('shop', $ask, "$ask WHERE event <> 'feed'");
}
is(sql($standby, 'postgres', q{SELECT place, system, value, detail FROM ownership.why('product.title', '{"sku": "b"}') WHERE event = 'feed'}),
	'product.title|pim|standby|Subscription pim_feed: enabled, this server is a standby, and only its primary knows whether the worker runs, the table is in sync.', 'why() of the feed');
unlike(sql($standby, 'postgres', q{SELECT detail FROM ownership.why('product.title', '{"sku": "b"}') WHERE event = 'answer'}), qr/pim_feed/, 'its answer finds nothing wrong with it');
my $passes = q{SELECT what, name, CASE WHEN what <> 'feed' THEN note END FROM ownership.hand_over('*', 'erp', 'pim')};
same('postgres', 'hand_over()', $passes);
like(sql($standby, 'postgres', q{SELECT note FROM ownership.hand_over('*', 'erp', 'pim') WHERE what = 'feed'}), qr/This server is a standby/, 'hand_over() of the feed');

# What writes fails as PostgreSQL's own commands do, and the server goes on.
my $since = sql($standby, 'postgres', 'SELECT pg_postmaster_start_time()');
foreach (@writes)
{
	my (undef, undef, $error) = $standby->psql('postgres', $_->[1], extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	like($error, qr/ERROR:  (?:25006: cannot execute .* (?:in a read-only transaction|during recovery)|55000: recovery is in progress)/, "$_->[1] fails");
}
foreach (@either)
{
	same('shop', @{$_}[ 1, 1 ]);
}
is(sql($standby, 'postgres', 'SELECT ownership.handover_due(), ownership.pin_due()'), '0|0', 'what is due is left to the primary');
like(error_as($standby, 'postgres', 'shop', q{UPDATE product SET price = 0}), qr/25006/, 'no write is judged there');
is(sql($standby, 'postgres', 'SELECT pg_postmaster_start_time()'), $since, 'the standby has run all the time');

#
# Promoted, it judges: by the map, with what is parked, remembered and pinned; the feed
# goes on where it was, and its evidence is not written again.
#
my $evidence = q{SELECT count(*) FROM ownership.conflict WHERE origin IS NOT NULL};
my $before = hub($evidence);
$hub->wait_for_catchup($standby, 'replay', $hub->lsn('insert'));
$hub->stop('immediate');
$standby->promote;
$log = -s $standby->logfile;
sql($pub, 'postgres', q{UPDATE product SET title = 'Lamp 2' WHERE sku = 'a'});
wait_for_feed($pub, $standby, 'pim_feed', $log);
is(sql($standby, 'postgres', q{SELECT price, title, stock FROM product WHERE sku = 'a'}), '1|Lamp 2|5', 'the feed goes on');
is(sql($standby, 'postgres', $evidence), $before, 'nothing that it brought before is recorded again');
psql_as($standby, 'postgres', 'erp', q{INSERT INTO product (sku, price) VALUES ('n', 1), ('c', 4)});
psql_as($standby, 'postgres', 'pim', q{UPDATE product SET title = 'B' WHERE sku = 'b'});
is(sql($standby, 'postgres', q{SELECT sku, title FROM product WHERE sku <> 'a' ORDER BY 1}), "b|held\nc|C\nm|\nn|New", 'what was pinned, remembered and parked is in the rows');
like(error_as($standby, 'postgres', 'erp', q{UPDATE product SET stock = 0 WHERE sku = 'a'}), qr/42501/, 'what the map refuses is refused');
is(sql($standby, 'postgres', q{SELECT value FROM ownership.why('product.title', '{"sku": "b"}') WHERE event = 'feed'}), 'running', 'why() of the feed, on the new primary');
$standby->stop;

done_testing();
