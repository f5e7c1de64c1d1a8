# Rejected attempts come to ownership.conflict although their transaction
# failed: what is told of them, and that none is lost in a flood but what
# "dropped" counts.  FLOOD is the number of attempts (100000).
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $flood = $ENV{FLOOD} || 100_000;
my $node = new_node('hub', preload => 1, activity => 1, extra => "ownership.queue_size = '64kB'\n");

sub super { return sql($node, 'postgres', $_[0]) }

# all that was tried since the last call
my $told = 0;

sub attempts
{
	super('SELECT ownership.flush()');
	my $rows = super(qq{
		SELECT system, role, operation, outcome, table_name, columns, row_key, stored, proposed
		FROM ownership.conflict WHERE id > $told ORDER BY id});
	$told = super('SELECT coalesce(max(id), 0) FROM ownership.conflict');
	return $rows;
}

# as a role, in one session that hands over what it has; its errors
sub try
{
	my ($role, @sql) = @_;
	my (undef, undef, $err) = $node->psql('postgres', join(";\n", @sql, 'SELECT ownership.flush()', ''), on_error_stop => 0,
		extra_params => [ '-U', $role ]);
	return $err;
}

super(q{
	CREATE EXTENSION ownership;
	CREATE ROLE crm LOGIN;
	CREATE ROLE nobody LOGIN;
	CREATE TABLE product (sku text PRIMARY KEY, price numeric, title text, "Odd ""name" text, blob bytea);
	CREATE TABLE keyless (price numeric);
	INSERT INTO product VALUES ('A', 1, 'Lamp', 'odd'), ('B', 2, 'Desk', NULL);
	INSERT INTO keyless VALUES (1);
	GRANT ALL ON product, keyless TO PUBLIC;
	SELECT ownership.add_system('erp', 'erp'), ownership.add_system('crm', 'crm', role => 'crm');
	SELECT ownership.assign('product', NULL, 'erp'), ownership.assign('keyless', NULL, 'erp')});

#
# What is told
#
like(try('crm', q{UPDATE product SET price = 9, title = 'x' WHERE sku = 'A'}), qr/may not write columns "price", "title"/, 'the error is as it was');
is(attempts(), 'crm|crm|UPDATE|rejected|product|{price,title}|{"sku": "A"}|{"price": "1", "title": "Lamp"}|{"price": "9", "title": "x"}', 'UPDATE');
is(super(q{SELECT application_name, origin IS NULL, recorded_at BETWEEN now() - interval '1 minute' AND now(), resolved_at IS NULL FROM ownership.conflict}),
	'activity_attempts.pl|t|t|t', 'and the rest');
try('crm', q{DELETE FROM product WHERE sku = 'A'});
is(attempts(), 'crm|crm|DELETE|rejected|product|{sku}|{"sku": "A"}|{"sku": "A"}|', 'DELETE');
try('nobody', q{INSERT INTO product (sku, price) VALUES ('N', 1.50)});
is(attempts(), '|nobody|INSERT|rejected|product|{sku,price}|{"sku": "N"}||{"sku": "N", "price": "1.50"}', 'INSERT by somebody unidentified');
try('crm', 'TRUNCATE product');
is(attempts(), 'crm|crm|TRUNCATE|rejected|product|{sku}|||', 'TRUNCATE');
try('crm', 'UPDATE keyless SET price = NULL');
is(attempts(), 'crm|crm|UPDATE|rejected|keyless|{price}||{"price": "1"}|{"price": null}', 'a table without key, NULL');
try('crm', q{UPDATE product SET "Odd ""name" = E'a\\\\"\n{,}''' WHERE sku = 'A'});
is(attempts(), q{crm|crm|UPDATE|rejected|product|{"Odd \"name"}|{"sku": "A"}|{"Odd \"name": "odd"}|{"Odd \"name": "a\\\\\\"\n{,}'"}}, 'awkward names and values');
try('crm', q{UPDATE product SET title = repeat('x', 10000), blob = '\x00' WHERE sku = 'A'});
is(attempts(), 'crm|crm|UPDATE|rejected|product|{title,blob}|{"sku": "A"}|{"blob": null, "title": "Lamp"}|{"blob": "\\\\x00", "title": {"length": 10000}}', 'a value beyond ownership.value_limit');
super(q{GRANT SET ON PARAMETER ownership.value_limit TO crm});
try('crm', q{SET ownership.value_limit = '1MB'}, q{UPDATE product SET title = (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 10000) i) WHERE sku = 'B'});
is(attempts(), 'crm|crm|UPDATE|rejected|product|{title}|||', 'one that would fill the queue comes without values');
like(try('crm', q{SET ownership.system = 'x'}), qr/permission denied/, 'not every role says who it is');

#
# Whatever becomes of the error
#
try('crm', 'BEGIN', 'SAVEPOINT s', q{UPDATE product SET price = 11}, 'ROLLBACK TO s', 'SELECT 1', 'COMMIT');
like(attempts(), qr/^crm.*"price": "11"}$/, 'in a savepoint');
try('crm', q{DO $$BEGIN UPDATE product SET price = 12; EXCEPTION WHEN OTHERS THEN NULL; END$$});
like(attempts(), qr/^crm.*"price": "12"}$/, 'caught');
try('crm', q{UPDATE product SET price = 13}, q{UPDATE product SET price = 13});
is(scalar(() = attempts() =~ /"13"/g), 2, 'tried twice, told twice');
try('crm', 'UPDATE product SET price = price');
is(attempts(), '', 'what is no conflict is not told');

# A policy other than reject that cannot be followed rejects, too: its columns count.
super(q{
	CREATE TABLE strict (id int PRIMARY KEY, price numeric NOT NULL, other text);
	CREATE TABLE late (id int PRIMARY KEY, price numeric);
	INSERT INTO late VALUES (1, 1);
	GRANT ALL ON strict, late TO PUBLIC;
	CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.price := 7; RETURN NEW; END';
	CREATE TRIGGER zzzzz_again BEFORE UPDATE ON late FOR EACH ROW EXECUTE FUNCTION again();
	SELECT ownership.assign('strict', '{id,other}', 'crm'), ownership.assign('strict', '{price}', 'erp', policy => 'keep'),
		ownership.assign('late', '{id}', 'crm'), ownership.assign('late', '{price}', 'erp', policy => 'keep')});
my $counted = q{SELECT coalesce(string_agg(column_name || ' ' || rejected, ', ' ORDER BY column_name), 'none') FROM ownership.activity WHERE rejected > 0 AND table_name = };
like(try('crm', q{INSERT INTO strict VALUES (1, 5, 'x')}), qr/No default can replace/, 'no default can replace a kept value');
is(attempts(), 'crm|crm|INSERT|rejected|strict|{price}|{"id": 1}||{"price": "5"}', 'that is recorded');
is(super("$counted 'strict'"), 'price 1', 'and counted');
like(try('crm', q{UPDATE late SET price = 5 WHERE id = 1}), qr/Another trigger fired after the guard/, 'a trigger undoes what the guard kept');
is(attempts(), 'crm|crm|UPDATE|rejected|late|{price}|{"id": 1}|{"price": "1"}|{"price": "7"}', 'that is recorded');
is(super("$counted 'late'"), 'price 1', 'and counted');
is(super(q{SELECT count(*) > 0 FROM ownership.risks WHERE risk = 'undeclared_writer' AND entity = 'late'}), 't', 'and a risk');
# an idle session hands over by itself
my $session = $node->background_psql('postgres', on_error_stop => 0);
$session->query('SET SESSION AUTHORIZATION crm');
$session->query('UPDATE product SET price = 14');
$session->query('UPDATE product SET price = 15');
wait_for($node, 'postgres', "SELECT count(*) FROM ownership.conflict WHERE id > $told", '2');
pass('an idle session hands over by itself');
$session->quit;
$told = super('SELECT max(id) FROM ownership.conflict');
like(slurp_file($node->logfile), qr/ownership rejected UPDATE of product by system "crm" \(role "crm"\): row \{"sku": "A"\}, proposed \{"price": "9"/, 'the log has a line');
is(super('SELECT sum(rejected) FROM ownership.activity'), super(q{SELECT sum(cardinality(columns)) FROM ownership.conflict WHERE outcome = 'rejected'}), 'activity counts each column');
is(super(q{SELECT value FROM ownership.status WHERE fact = 'dropped'}), '0', 'nothing was dropped');

#
# A flood from 8 clients, while the worker cannot write at first: the queue
# overflows, nobody waits, and what is lost is counted.
#
super(q{TRUNCATE ownership.conflict, ownership.activity;
	CREATE FUNCTION try(sku text, price numeric) RETURNS void LANGUAGE plpgsql AS $$
		BEGIN UPDATE product SET price = $2 WHERE product.sku = $1; EXCEPTION WHEN insufficient_privilege THEN NULL; END$$});
my $script = $node->basedir . '/flood.sql';
append_to_file($script, "SELECT try('A', 5);\n");
my $per_client = int($flood / 8);

my $lock = $node->background_psql('postgres');
$lock->query('BEGIN; LOCK TABLE ownership.conflict IN EXCLUSIVE MODE');
my $start = time;
$node->command_ok([ 'pgbench', '-n', '-c', 8, '-j', 2, '-t', int($per_client / 10) || 1, '-f', $script, '-U', 'crm', 'postgres' ], 'clients while the worker is locked out');
my $locked = 8 * (int($per_client / 10) || 1);
cmp_ok(super(q{SELECT value FROM ownership.status WHERE fact = 'waiting'}), '>', 0, 'attempts wait');
unlike(slurp_file($node->logfile), qr/WARNING:  .*(leak|not closed)/, 'the worker leaves nothing open');
$lock->query('COMMIT');
$lock->quit;
$node->command_ok([ 'pgbench', '-n', '-c', 8, '-j', 2, '-t', $per_client, '-f', $script, '-U', 'crm', 'postgres' ], 'clients');
note('took ' . (time - $start) . ' s');
wait_for($node, 'postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()});
super('SELECT ownership.flush()');
my $all = 8 * $per_client + $locked;
my $dropped = super(q{SELECT value FROM ownership.status WHERE fact = 'dropped'});
my $written = super('SELECT count(*) FROM ownership.conflict');
note("$all attempts: $written written, $dropped dropped");
is($written + $dropped, $all, 'each attempt was written or dropped');
cmp_ok($dropped, '>', 0, 'some were dropped');
is(super(q{SELECT rejected FROM ownership.activity WHERE column_name = 'price'}), $all, 'each was counted');
is(super(q{SELECT value FROM ownership.status WHERE fact = 'dropped_counts'}), '0', 'and no count was dropped');
is(super('SELECT count(*) FROM ownership.conflict WHERE proposed IS DISTINCT FROM $${"price": "5"}$$'), '0', 'each is whole');
is(super(q{SELECT value FROM ownership.status WHERE fact = 'waiting'}), '0', 'none waits');
$node->stop;
done_testing();
