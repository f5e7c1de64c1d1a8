# What a client gets beside the text of a message: SQLSTATE, schema, table, column and
# constraint, by which an application tells what became of its write.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('messages');
sql($node, 'postgres', q{
	CREATE EXTENSION ownership;
	CREATE SCHEMA shop;
	CREATE TABLE shop.product (sku text PRIMARY KEY, price numeric, "Title" text, note text);
	INSERT INTO shop.product VALUES ('a', 1, 'one', 'x'), ('b', 2, 'two', 'y');
	CREATE ROLE crm_app LOGIN;
	CREATE ROLE erp_app LOGIN;
	SELECT ownership.add_system('erp', 'erp', role => 'erp_app'), ownership.add_system('crm', 'crm', role => 'crm_app');
	SELECT ownership.assign('shop.product', NULL, 'erp', policy => 'keep');
	SELECT ownership.assign('shop.product', '{note}', 'erp', policy => 'reject');
	GRANT USAGE ON SCHEMA shop TO crm_app, erp_app;
	GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON shop.product TO crm_app, erp_app});

# The fields of the messages of a statement, as "SQLSTATE schema.table.column constraint".
sub fields
{
	my ($role, $sql) = @_;
	my (undef, undef, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n$sql", extra_params => [ '-U', $role ]);
	my @messages;
	foreach (split /^(?=(?:psql:\S+ )?(?:NOTICE|ERROR|WARNING): )/m, $err)
	{
		my ($level, $state) = /(NOTICE|ERROR|WARNING):\s+(\w+):/ or next;
		my %field = /^(SCHEMA|TABLE|COLUMN|CONSTRAINT) NAME:\s+(.*)$/mg;
		push @messages, "$level $state " . join('/', map { $field{$_} // '-' } qw(SCHEMA TABLE COLUMN CONSTRAINT));
	}
	return join '; ', @messages;
}

is(fields('crm_app', 'UPDATE shop.product SET price = 9'), 'NOTICE 01000 shop/product/price/ownership', 'keep: one column');
is(fields('crm_app', q{UPDATE shop.product SET price = 9, "Title" = 'x'}), 'NOTICE 01000 shop/product/price, Title/ownership', 'keep: columns');
is(fields('crm_app', q{UPDATE shop.product SET price = CASE sku WHEN 'a' THEN 9 ELSE price END, "Title" = CASE sku WHEN 'b' THEN 'x' ELSE "Title" END}),
	'NOTICE 01000 shop/product/price, Title/ownership', 'keep: columns of different rows');
is(fields('crm_app', q{INSERT INTO shop.product (sku) VALUES ('c')}), 'NOTICE 01000 shop/product/-/ownership', 'a row that is not created');
is(fields('crm_app', 'DELETE FROM shop.product'), 'NOTICE 01000 shop/product/-/ownership', 'rows that are not deleted');
is(fields('crm_app', q{UPDATE shop.product SET note = 'z'}), 'ERROR 42501 shop/product/note/ownership', 'reject');
is(fields('crm_app', 'TRUNCATE shop.product'), 'ERROR 42501 shop/product/sku/ownership', 'TRUNCATE');
sql($node, 'postgres', 'REVOKE UPDATE ON shop.product FROM crm_app');
is(fields('crm_app', q{UPDATE shop.product SET note = 'z'}), 'ERROR 42501 -/-/-/-', 'a missing GRANT is something else');
is(fields('erp_app', 'UPDATE shop.product SET price = 3'), '', 'the owner is told nothing');
sql($node, 'postgres', q{UPDATE ownership.field SET on_blank = 'keep' WHERE name = 'Title'; SELECT ownership.pin('shop.product', '{"sku": "a"}', 'price')});
is(fields('erp_app', q{UPDATE shop.product SET "Title" = '' WHERE sku = 'b'}), 'NOTICE 01000 shop/product/Title/ownership', 'blanks');
# what the owner sends first is what the pin keeps out; it says so when something else is refused, too
like(fields('erp_app', q{UPDATE shop.product SET price = 4, "Title" = '' WHERE sku = 'a'}), qr{^(NOTICE 01000 shop/product/(price|Title|price, Title)/ownership(; )?)+$}, 'pins');

done_testing();
