# Copies of 100,000 rows are compared by joins that read each table once, or find rows by
# an index or by where they are stored; never by a nested loop that scans a table for
# each row.  The plans are those of the statements that the functions really run, with
# what they really did.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use JSON::PP;
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $rows = 100_000;
my $node = new_node('plans', preload => 1, extra => join "\n",
	"session_preload_libraries = 'auto_explain'", 'auto_explain.log_min_duration = -1',
	'auto_explain.log_nested_statements = on', 'auto_explain.log_format = json', 'auto_explain.log_analyze = on', 'auto_explain.log_timing = off', "work_mem = '4MB'", 'jit = off');
plan skip_all => 'auto_explain is not installed' if $node->psql('postgres', 'SELECT 1') != 0;

sql($node, 'postgres', qq{
	CREATE EXTENSION ownership;
	CREATE SCHEMA erp;
	CREATE SCHEMA shop;
	SELECT ownership.add_system('erp', 'erp'), ownership.add_system('shop', 'storefront'), ownership.identify(NULL, role => current_user::text, steward => true);
	CREATE TABLE erp.item (item_no int PRIMARY KEY, sku text, price text, name text);
	CREATE TABLE product (id bigserial PRIMARY KEY, sku text, price numeric(10,2), name text);
	CREATE TABLE variant (shop_id text PRIMARY KEY, price numeric, name text);
	CREATE TABLE shop.offer (code text, price numeric);
	CREATE TABLE xref (erp_no text, shop_id bigint);
	INSERT INTO erp.item SELECT i, 'S' || i, CASE WHEN i % 10000 = 0 THEN 'n/a' ELSE i || '.50' END, 'Item ' || i FROM generate_series(1, $rows) i;
	INSERT INTO product (sku, price, name) SELECT 'S' || i, i + 0.5 + (i % 1000 = 1)::int, 'Item ' || i FROM generate_series(1, $rows) i;
	INSERT INTO variant SELECT '00' || i, i + 0.5 + (i % 1000 = 2)::int, 'Item ' || i FROM generate_series(1, $rows) i;
	INSERT INTO shop.offer SELECT i || '.0', i + 0.5 FROM generate_series(1, $rows) i;
	INSERT INTO xref SELECT '0' || i, i FROM generate_series(1, $rows) i;
	INSERT INTO xref VALUES ('7', 8), ('9', 9), (NULL, 10);
	SELECT ownership.add_tables('erp.*', source => 'erp'), ownership.add_tables('shop.*', source => 'shop'), ownership.add_tables('product', owner => 'erp'),
		ownership.add_tables('variant', owner => 'erp'), ownership.add_tables('xref', owner => 'erp');
	SELECT ownership.link('product.sku', '{erp.item.sku}'), ownership.link('product.price', '{erp.item.price, variant.price, shop.offer.price}', authoritative => 'erp.item.price'),
		ownership.link('product.item_no', '{erp.item.item_no, shop.offer.code, xref.erp_no}'), ownership.link('product.shop_id', '{variant.shop_id, xref.shop_id}');
	UPDATE ownership.field SET match_key = true WHERE entity = 'product' AND name IN ('sku', 'item_no', 'shop_id');
	CREATE UNIQUE INDEX ON erp.item (sku);
	VACUUM ANALYZE});

# the tables with the data
my %data = map { $_ => 1 } qw(item product variant offer xref);

# Where a plan reads a table of the data more often than $times, or a nested loop goes
# over many rows again and again.
sub loops
{
	my ($node, $times) = @_;
	my @found;
	push @found, "$node->{'Node Type'} of $node->{'Relation Name'}, $node->{'Actual Loops'} times"
	  if $data{ $node->{'Relation Name'} // '' } && $node->{'Node Type'} eq 'Seq Scan' && $node->{'Actual Loops'} > $times;
	foreach my $child (@{ $node->{Plans} // [] })
	{
		push @found, "$child->{'Node Type'} in a nested loop, $child->{'Actual Loops'} times"
		  if $node->{'Node Type'} eq 'Nested Loop' && $child->{'Parent Relationship'} eq 'Inner'
		  && $child->{'Actual Loops'} * $child->{'Actual Rows'} > 2 * $rows;
		push @found, loops($child, $times);
	}
	return @found;
}

# The tables of the data that a plan reads.
sub tables
{
	my ($node) = @_;
	return (grep({ $data{$_} } $node->{'Relation Name'} // ()), map { tables($_) } @{ $node->{Plans} // [] });
}

# The plans of the statements that join tables of the data while SQL runs.
sub plans
{
	my ($sql) = @_;
	my $from = -s $node->logfile;
	my $result = sql($node, 'postgres', "SET auto_explain.log_min_duration = 0; $sql");
	my $log = slurp_file($node->logfile, $from);
	my @plans;
	while ($log =~ /plan:\n((?:\t.*\n)+)/g)
	{
		my $plan = JSON::PP->new->utf8(0)->decode($1 =~ s/^\t//mgr);
		push @plans, $plan->{Plan} if tables($plan->{Plan}) > 1;
	}
	return ($result, @plans);
}

sub planned
{
	my ($sql, $expected, $what, $times) = @_;
	my ($result, @plans) = plans($sql);
	is($result, $expected, "$what: its result");
	cmp_ok(scalar @plans, '>', 0, "$what: its plans were seen");
	is(join("\n", map { loops($_, $times // 1) } @plans), '', "$what: no loop over scans");
}

planned(q{SELECT relation, count(*), count(*) FILTER (WHERE source_value = 'n/a') FROM ownership.drift('product.price') GROUP BY 1 ORDER BY 1},
	"product|110|10\nshop.offer|10|10\nvariant|110|10", 'drift()');
planned(q{SELECT relation, rows_compared, rows_differing FROM ownership.drift_summary('product.*') WHERE field = 'price' ORDER BY 1},
	"product|100000|110\nshop.offer|100000|10\nvariant|99999|110", 'drift_summary()');
planned(q{SELECT relation FROM ownership.risks WHERE risk = 'drifting' AND severity = 'medium' ORDER BY 1}, "product\nshop.offer\nvariant", 'the risks');
planned(q{SELECT ownership.reconcile('product.price', dry_run => true)}, 200, 'a dry run of reconcile()');
planned(q{SELECT ownership.reconcile('product.price')}, 200, 'reconcile()');
planned(q{SELECT ownership.reconcile('product.price')}, 0, 'a second reconcile()');
planned(q{SELECT count(*) FILTER (WHERE event = 'value') FROM ownership.why('product.price', '{"item_no": 4711}')}, 4, 'why()', 2);
planned(q{SELECT count(*) FILTER (WHERE event = 'value') FROM ownership.why('product.price', '{"shop_id": "004711"}')}, 4, 'why() from the other side', 2);

done_testing();
