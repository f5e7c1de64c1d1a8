# COPY with a text that stands for the default (16 and later): where it does,
# nobody has proposed a value.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $hub = new_node('hub', preload => 1);
plan skip_all => 'COPY knows no DEFAULT before PostgreSQL 16' if $hub->pg_version->major < 16;

my $file = $hub->basedir . '/rows.csv';
append_to_file($file, join("\n", '1,de,\D,\D,\D', '2,de,5,2000-01-01,\D', '3,us,\D,\D,other', '4,us,6,\D,leaf', '5,us,\D,2000-01-01,open', ''));

sql($hub, 'postgres', q{
	CREATE EXTENSION ownership;
	CREATE ROLE shop_app LOGIN;
	CREATE SEQUENCE numbers START 100;
	CREATE TABLE item (id int, region text, serial int DEFAULT nextval('numbers'), seen date DEFAULT current_date, status text DEFAULT 'open',
		PRIMARY KEY (id, region)) PARTITION BY LIST (region);
	CREATE TABLE item_de (LIKE item);
	ALTER TABLE item ATTACH PARTITION item_de FOR VALUES IN ('de');
	CREATE TABLE item_us (status text DEFAULT 'leaf', serial int DEFAULT -1, id int NOT NULL, seen date, region text NOT NULL);
	ALTER TABLE item ATTACH PARTITION item_us FOR VALUES IN ('us');
	SELECT ownership.add_system('erp', 'erp'), ownership.add_system('shop', 'storefront', role => 'shop_app');
	SELECT ownership.assign('item', '{id,region}', 'shop'), ownership.assign('item', '{serial,seen,status}', 'erp');
	GRANT ALL ON item TO shop_app;
	GRANT ALL ON SEQUENCE numbers TO shop_app});

foreach my $policy (qw(keep observe))
{
	foreach my $lift (qw(on off))
	{
		sql($hub, 'postgres', qq{
			SET ownership.enforcement = off; TRUNCATE item; TRUNCATE ownership.conflict;
			UPDATE ownership.field SET policy = '$policy' WHERE owner = 'erp';
			ALTER DATABASE postgres SET ownership.lift = $lift});
		psql_as($hub, 'postgres', 'shop_app', qq{\\copy item from '$file' with (format csv, default '\\D')});
		my ($kept, $name) = $policy eq 'keep' ? (1, 'kept') : (0, 'observed');
		is(sql($hub, 'postgres', q{SELECT id, CASE WHEN serial >= 100 THEN 'drawn' ELSE serial::text END, seen > '2000-01-01', status FROM item ORDER BY id}),
			$kept
			? "1|drawn|t|open\n2|drawn|t|open\n3|drawn|t|open\n4|drawn|t|open\n5|drawn|t|open"
			: "1|drawn|t|open\n2|5|f|open\n3|drawn|t|other\n4|6|t|leaf\n5|drawn|f|open", "$policy, lifting $lift: the rows");
		is(sql($hub, 'postgres', q{
				SELECT row_key ->> 'id', outcome, (SELECT string_agg(c, ',' ORDER BY c) FROM unnest(columns) c), proposed ->> 'serial', proposed ->> 'status'
				FROM ownership.conflict ORDER BY 1}),
			"2|$name|seen,serial|5|\n3|$name|status||other\n4|$name|serial,status|6|leaf\n5|$name|seen||", "$policy, lifting $lift: evidence of values alone");
	}
}
sql($hub, 'postgres', q{UPDATE ownership.field SET policy = 'reject' WHERE owner = 'erp'});
my $defaults = $hub->basedir . '/defaults.csv';
append_to_file($defaults, "11,de,\\D,\\D,\\D\n12,us,\\D,\\D,open\n");
psql_as($hub, 'postgres', 'shop_app', qq{\\copy item from '$defaults' with (format csv, default '\\D')});
is(sql($hub, 'postgres', 'SELECT count(*) FROM item WHERE id > 10'), '2', 'defaults are not rejected');
sql($hub, 'postgres', 'SET ownership.enforcement = off; TRUNCATE item');
like(error_as($hub, 'postgres', 'shop_app', qq{\\copy item from '$file' with (format csv, default '\\D')}),
	qr/ERROR:  42501: system "shop" may not write columns "serial", "seen" of table "item"/, 'values are');

$hub->stop;
done_testing();
