# Commands that come with newer versions, or that only some sessions use: rows
# that are frozen as they are copied (all versions), that COPY skips, that MERGE
# finds without a source (17), that a period tells apart, and RETURNING of old
# and new (18).
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $hub = new_node('hub', preload => 1);
my $version = $hub->pg_version;
my $file = PostgreSQL::Test::Utils::tempdir() . '/rows';

sql($hub, 'postgres', q{CREATE DATABASE integration; CREATE ROLE erp_app LOGIN; CREATE ROLE pim_app LOGIN});
sql($hub, 'integration', q{
	CREATE EXTENSION ownership;
	GRANT CREATE ON SCHEMA public TO erp_app;
	SELECT ownership.add_system('erp', 'erp', role => 'erp_app'), ownership.add_system('pim', 'pim', role => 'pim_app');
	CREATE TABLE product (id int PRIMARY KEY, title text, price numeric, stock int);
	SELECT ownership.assign('product', '{id,title}', 'pim'), ownership.assign('product', '{price}', 'erp', policy => 'keep'),
		ownership.assign('product', '{stock}', 'erp');
	GRANT ALL ON product TO erp_app, pim_app});

sub pim { return psql_as($hub, 'integration', 'pim_app', $_[0]) }
sub pim_error { return error_as($hub, 'integration', 'pim_app', $_[0]) }
sub stored { return sql($hub, 'integration', "SELECT * FROM $_[0] ORDER BY 1, 2") }
sub evidence
{
	my ($table) = @_;
	return sql($hub, 'integration', qq{
		WITH told AS (DELETE FROM ownership.conflict WHERE table_name = '$table' RETURNING *)
		SELECT system, operation, outcome, row_key, stored, proposed FROM told ORDER BY id});
}

# COPY FREEZE: into a table that the transaction created or emptied
sub frozen
{
	my ($by) = @_;
	return qq{
		BEGIN;
		CREATE TABLE frozen (id int PRIMARY KEY, title text, price numeric);
		SELECT ownership.assign('frozen', '{id,title}', 'pim'), ownership.assign('frozen', '{price}', 'erp', policy => 'keep');
		SET LOCAL ownership.system = $by;
		TRUNCATE frozen;
		COPY frozen FROM stdin WITH (FORMAT csv, FREEZE);
1,x,5
2,y,
\\.
		COMMIT};
}
like(error_as($hub, 'integration', 'postgres', frozen('erp')), qr/ERROR:  42501: system "erp" may not truncate/, 'no empty table for whoever may not empty it');
sql($hub, 'integration', frozen('pim'));
is(stored('frozen'), "1|x|\n2|y|", 'rows are frozen as they are amended');
is(evidence('frozen'), 'pim|INSERT|kept|{"id": 1}|{"price": null}|{"price": "5"}', 'with evidence');

SKIP:
{
	skip 'COPY skips no rows, MERGE has no rows without source before 17', 11 if $version < 17;

	append_to_file($file, "1,a,5,\n2,b,x,\n3,c,,\n");
	pim(qq{\\copy product from '$file' with (format csv, on_error ignore)});
	is(stored('product'), "1|a||\n3|c||", 'rows that cannot be read are skipped, the others are amended');
	is(evidence('product'), 'pim|INSERT|kept|{"id": 1}|{"price": null}|{"price": "5"}', 'evidence of those');
	append_to_file("$file.2", "4,d,x,\n5,e,,1\n");
	like(pim_error(qq{\\copy product from '$file.2' with (format csv, on_error ignore)}),
		qr/ERROR:  42501: system "pim" may not write column "stock"/, 'what may not be written is no such row');
	is(stored('product'), "1|a||\n3|c||", 'nothing came');

	sql($hub, 'integration', 'SET ownership.system = erp; UPDATE product SET price = 1');
	my $merge = q{MERGE INTO product p USING (VALUES (1, 'A', 9), (4, 'D', NULL)) v(id, title, price) ON p.id = v.id
		WHEN MATCHED THEN UPDATE SET title = v.title, price = v.price
		WHEN NOT MATCHED THEN INSERT (id, title, price) VALUES (v.id, v.title, v.price)
		WHEN NOT MATCHED BY SOURCE THEN %s
		RETURNING merge_action(), p.id, p.title, p.price};
	is(pim(sprintf $merge, 'UPDATE SET price = 0'), "UPDATE|1|A|1\nUPDATE|3|c|1\nINSERT|4|D|", 'MERGE: a row without source is updated, and kept');
	is(evidence('product'), qq(pim|UPDATE|kept|{"id": 1}|{"price": "1"}|{"price": "9"}\npim|UPDATE|kept|{"id": 3}|{"price": "1"}|{"price": "0"}), 'with evidence');
	is(pim(sprintf $merge, 'DELETE'), "UPDATE|1|A|1\nDELETE|3|c|1\nUPDATE|4|D|", 'MERGE: a row without source goes, if its key is the writer\'s');
	like(error_as($hub, 'integration', 'erp_app', q{
			MERGE INTO product p USING (VALUES (1)) v(id) ON p.id = v.id WHEN NOT MATCHED BY SOURCE THEN DELETE}),
		qr/ERROR:  42501: system "erp" may not delete rows/, 'and not, if not');
	is(stored('product'), "1|A|1|\n4|D||", 'it stays');

	# a view is merged into
	sql($hub, 'integration', 'CREATE VIEW offer AS SELECT id, title, price FROM product; GRANT ALL ON offer TO pim_app');
	evidence('product');
	is(pim(q{MERGE INTO offer p USING (VALUES (1, 'V', 9)) v(id, title, price) ON p.id = v.id
		WHEN MATCHED THEN UPDATE SET title = v.title, price = v.price RETURNING p.*}), '1|V|1', 'MERGE into a view');
	is(evidence('product'), 'pim|UPDATE|kept|{"id": 1}|{"price": "1"}|{"price": "9"}', 'is judged by the table');
}

SKIP:
{
	skip 'no keys with periods, no RETURNING of old and new before 18', 9 if $version < 18;

	is(pim(q{UPDATE product SET title = 'W', price = 8 WHERE id = 1 RETURNING old.title, new.title, old.price, new.price}),
		'V|W|1|1', 'RETURNING tells what is stored');

	sql($hub, 'integration', q{
		CREATE TABLE rate (room int4range, valid daterange, amount numeric, note text, PRIMARY KEY (room, valid WITHOUT OVERLAPS));
		SELECT ownership.assign('rate', '{room,valid,amount}', 'erp', policy => 'keep'), ownership.assign('rate', '{note}', 'pim');
		CREATE TABLE stay (id int PRIMARY KEY, room int4range, valid daterange,
			FOREIGN KEY (room, PERIOD valid) REFERENCES rate (room, PERIOD valid));
		SELECT ownership.assign('stay', NULL, 'erp');
		GRANT ALL ON rate, stay TO erp_app, pim_app});
	my $row = q{('[1,2)', '[2026-01-01,2026-02-01)', 5, NULL)};
	psql_as($hub, 'integration', 'erp_app', qq{INSERT INTO rate VALUES $row; INSERT INTO stay VALUES (1, '[1,2)', '[2026-01-10,2026-01-20)')});
	pim(q{UPDATE rate SET note = 'n', amount = 6, valid = '[2026-01-01,2026-01-05)'});
	pim(q{INSERT INTO rate VALUES ('[1,2)', '[2026-03-01,2026-04-01)', 7, 'z')});
	pim(q{INSERT INTO rate VALUES ('[1,2)', '[2026-01-15,2026-04-01)', 7, 'z') ON CONFLICT DO NOTHING});
	pim('DELETE FROM rate');
	is(stored('rate'), '[1,2)|[2026-01-01,2026-02-01)|5|n', 'a period in the key is part of the key');
	my $key = '{"room": "[1,2)", "valid": "[2026-01-01,2026-02-01)"}';
	is(evidence('rate'), join("\n",
		"pim|UPDATE|kept|$key|" . '{"valid": "[2026-01-01,2026-02-01)", "amount": "5"}|{"valid": "[2026-01-01,2026-01-05)", "amount": "6"}',
		'pim|INSERT|discarded|{"room": "[1,2)", "valid": "[2026-03-01,2026-04-01)"}||{"note": "z", "room": "[1,2)", "valid": "[2026-03-01,2026-04-01)", "amount": "7"}',
		"pim|DELETE|discarded|$key|$key|"), 'and tells the row; a row that meets a stored one is none');
	like(error_as($hub, 'integration', 'erp_app', q{UPDATE rate SET valid = '[2026-01-01,2026-01-15)'}), qr/ERROR:  23503/, 'the owner is held by what refers to it');
	psql_as($hub, 'integration', 'erp_app', q{UPDATE rate SET valid = '[2026-01-01,2026-01-25)'});
	is(stored('rate'), '[1,2)|[2026-01-01,2026-01-25)|5|n', 'else changes it');

	sql($hub, 'integration', q{
		CREATE TABLE computed (id int PRIMARY KEY, a int, b int GENERATED ALWAYS AS (a * 2) VIRTUAL);
		SELECT ownership.assign('computed', '{id}', 'pim'), ownership.assign('computed', '{a}', 'erp', policy => 'keep');
		GRANT ALL ON computed TO pim_app});
	like(error_as($hub, 'integration', 'postgres', q{SELECT ownership.assign('computed', '{b}', 'erp')}),
		qr/ERROR:  \w+: column "b" of table "computed" is a generated column/, 'a virtual column is nobody\'s');
	is(pim('INSERT INTO computed VALUES (1, 3) RETURNING b'), '', 'it follows what was kept');
	is(evidence('computed'), 'pim|INSERT|kept|{"id": 1}|{"a": null}|{"a": "3"}', 'and is no evidence');
	sql($hub, 'integration', q{SET ownership.system = erp; UPDATE computed SET a = 4});
	is(pim('UPDATE computed SET a = 5 RETURNING b'), '8', 'in UPDATE, too');
}

$hub->stop;
done_testing();
