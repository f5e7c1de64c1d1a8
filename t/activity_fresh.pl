# Fields that have to be fresh: a row from the system of record counts, changed or not,
# in whatever way it comes.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $hub = new_node('hub', preload => 1, activity => 1, extra => "ownership.flush_interval = 100ms\n");
my $erp = new_node('erp');

sub super { return sql($hub, 'postgres', shift); }

sql($erp, 'postgres', q{CREATE TABLE product (sku text PRIMARY KEY, price numeric, title text);
	INSERT INTO product VALUES ('A', 1, 'from the ERP'), ('B', 2, 'from the ERP');
	CREATE PUBLICATION p FOR TABLE product WITH (publish = 'insert, update')});
super(q{CREATE EXTENSION ownership;
	CREATE ROLE erp; CREATE ROLE crm;
	CREATE TABLE product (sku text PRIMARY KEY, price numeric, title text);
	CREATE TABLE landing (sku text PRIMARY KEY, list_price numeric);
	GRANT ALL ON product, landing TO erp, crm;
	SELECT ownership.add_system('erp', 'erp', role => 'erp', subscription => 'feed'), ownership.add_system('crm', 'crm', role => 'crm');
	SELECT ownership.assign('product', '{sku,price}', 'erp', policy => 'keep'), ownership.assign('product', '{title}', 'crm', policy => 'keep');
	SELECT ownership.add_tables('landing', source => 'erp');
	INSERT INTO product VALUES ('A', 1, 'a'), ('B', 2, 'b')});

my $freshness = q{SELECT last_row IS NOT NULL, stale FROM ownership.freshness WHERE (entity, field) = ('product', 'price')};
is(super($freshness), '', 'no field has to be fresh');
is(super(q{SELECT string_agg(system || ' ' || value, ', ' ORDER BY system) FROM ownership.metrics WHERE name = 'stale_fields'}), 'crm 0, erp 0', 'the metric is there');
super(q{UPDATE ownership.field SET fresh_within = '1 hour' WHERE (entity, name) IN (('product', 'price'), ('product', 'title'))});
is(super($freshness), 'f|f', 'never seen, but not for long');
is(super(q{SELECT count(*) FROM ownership.risks WHERE risk = 'stale'}), '0', 'that is no risk');
super(q{UPDATE ownership.field SET fresh_within = '1 microsecond' WHERE (entity, name) = ('product', 'price')});
is(super($freshness), 'f|t', 'never seen for longer than that');
is(super(q{SELECT severity, field, systems, detail FROM ownership.risks WHERE risk = 'stale'}),
	'medium|price|{erp}|erp is the system of record of product.price, and no row of its tables came from there so far; it must be fresh within 00:00:00.000001.', 'the risk');
super(q{UPDATE ownership.field SET fresh_within = '1 hour' WHERE (entity, name) = ('product', 'price')});

# comes(WHAT, CODE): before it the field is stale, after it it is not
sub comes
{
	my ($what, $code) = @_;
	super(q{SELECT ownership.flush(); INSERT INTO ownership.activity (table_schema, table_name, column_name, system) VALUES ('public', 'product', 'sku', 'erp') ON CONFLICT DO NOTHING;
		UPDATE ownership.activity SET last_write = now() - interval '2 hours'});
	is(super($freshness), 't|t', "$what: stale before");
	$code->();
	# an apply worker hands over what it counted a moment later, when the background worker asks for it
	ok(wait_for($hub, 'postgres', $freshness =~ s/FROM /FROM (SELECT ownership.flush()) f, /r, 't|f'), "$what: fresh");
}

# writes(): how often the ERP is known to have written the price
sub writes { return super(q{SELECT coalesce(sum(writes), 0) FROM ownership.activity WHERE (table_name, column_name, system) = ('product', 'price', 'erp')}); }

comes('the first copy', sub {
	super("CREATE SUBSCRIPTION feed CONNECTION '" . connstr($erp, 'postgres') . "' PUBLICATION p");
	wait_for($hub, 'postgres', q{SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel});
});
comes('a replicated UPDATE that changes the price', sub {
	sql($erp, 'postgres', q{UPDATE product SET price = 3 WHERE sku = 'A'});
	$erp->wait_for_catchup('feed');
});
my $writes = writes();
comes('one that changes nothing', sub {
	sql($erp, 'postgres', q{UPDATE product SET title = 'from the ERP' WHERE sku = 'A'; UPDATE product SET price = price});
	$erp->wait_for_catchup('feed');
});
comes('one of which nothing is left', sub {
	sql($erp, 'postgres', q{UPDATE product SET title = 'another' WHERE sku = 'A'});
	$erp->wait_for_catchup('feed');
});
comes('an INSERT that meets its row', sub {
	sql($erp, 'postgres', q{DELETE FROM product WHERE sku = 'B'; INSERT INTO product VALUES ('B', 2, 'from the ERP')});
	$erp->wait_for_catchup('feed');
});
comes('a statement that judges rows', sub {
	super(q{SET ROLE erp; UPDATE product SET price = price, title = title});
});
comes('a statement of which nothing is left', sub {
	super(q{SET ROLE erp; UPDATE product SET title = 'x'});
});
comes('an upsert', sub {
	super(q{SET ROLE erp; INSERT INTO product VALUES ('A', 3, 'x') ON CONFLICT (sku) DO UPDATE SET price = excluded.price, title = excluded.title});
});
is(writes(), $writes, 'none of these counts as a write');
comes('a statement that judges none', sub {
	super(q{SET ROLE erp; UPDATE product SET price = price});
});

super(q{UPDATE ownership.activity SET last_write = now() - interval '2 hours'; SET ROLE crm; UPDATE product SET title = 'y'; UPDATE landing SET list_price = 1});
wait_for_exits($hub, 'postgres');
super('SELECT ownership.flush()');
is(super($freshness), 't|t', 'the row of another system is no such row');
is(super(q{SELECT field, stale FROM ownership.freshness WHERE field = 'title'}), 'title|f', 'but of its own field');
like(super(q{SELECT detail FROM ownership.risks WHERE risk = 'stale'}), qr/^erp is the system of record of product\.price, and no row of its tables came from there since 20\d\d-\d\d-\d\d \d\d:\d\d; it must be fresh within 01:00:00\.$/, 'since when');
is(super(q{SELECT string_agg(system || ' ' || value, ', ' ORDER BY system) FROM ownership.metrics WHERE name = 'stale_fields'}), 'crm 0, erp 1', 'the metric');
my $page = super('SELECT ownership.page()');
like($page, qr{Fields that have to be fresh.*<bdi>product\.price</bdi></th>.*<span class="badge medium">stale</span>.*product\.title}s, 'the page has both, the stale one first');
super(q{BEGIN; SET ROLE erp; UPDATE product SET price = price, title = title; ROLLBACK});
wait_for_exits($hub, 'postgres');
super('SELECT ownership.flush()');
is(super($freshness), 't|t', 'what rolls back did not come');
super(q{SELECT ownership.link('product.price', '{landing.list_price}')});
super(q{SET ROLE erp; INSERT INTO landing VALUES ('A', 4)});
wait_for_exits($hub, 'postgres');
super('SELECT ownership.flush()');
is(super($freshness), 't|f', 'a row of another table that contains the field');

# a name that is changed
super(q{UPDATE ownership.activity SET last_write = now() - interval '2 hours'});
super(q{SET ROLE erp; UPDATE product SET price = price, title = title});
wait_for_exits($hub, 'postgres');
super('SELECT ownership.flush()');
super('ALTER TABLE product RENAME TO products');
is(super($freshness), 't|f', 'it follows a renamed table');

# not preloaded
$hub->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
super(q{UPDATE ownership.activity SET last_write = now() - interval '2 hours'});
is(super($freshness), 't|t', 'preloaded');
$hub->restart;
is(super($freshness), 't|f', 'without preloading nothing is counted, and nothing is stale');

$hub->stop;
$erp->stop;
done_testing();
