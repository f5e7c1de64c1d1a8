# Triggers of users that fire in a stream after the guard's: one that suppresses a row, or
# changes it, does not lose what waits for that row. Nor does one that checks a constraint
# stop the stream because of it.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use Test::More;

my $pub = new_node('source');
my $hub = new_node('hub', preload => 1, extra => "wal_retrieve_retry_interval = '50ms'\n");
sql($pub, 'postgres', 'CREATE DATABASE erp');
sql($hub, 'postgres', 'CREATE DATABASE integration');

sub hub { return sql($hub, 'integration', $_[0]) }
sub erp { sql($pub, 'erp', $_[0]); $pub->wait_for_catchup('from_erp'); return }

sql($pub, 'erp', q{CREATE TABLE product (sku text PRIMARY KEY, price numeric); ALTER TABLE product REPLICA IDENTITY FULL; CREATE PUBLICATION product FOR TABLE product});
hub(q{
	CREATE EXTENSION ownership;
	CREATE TABLE product (sku text PRIMARY KEY, price numeric, title text, note text DEFAULT 'none');
	SELECT ownership.add_system('erp', 'erp'), ownership.add_system('pim', 'pim');
	SELECT ownership.assign('product', '{sku,price}', 'erp', policy => 'keep');
	SELECT ownership.assign('product', '{title,note}', 'pim', policy => 'keep');
	CREATE FUNCTION later() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		IF TG_OP = 'INSERT' AND NEW.price < 0 THEN RETURN NULL; END IF;
		IF NEW.price > 100 THEN NEW.title := 'expensive'; END IF;
		RETURN NEW;
	END $$;
	CREATE TRIGGER zzzzz_later BEFORE INSERT OR UPDATE ON product FOR EACH ROW EXECUTE FUNCTION later();
	ALTER TABLE product ENABLE ALWAYS TRIGGER zzzzz_later});
my $conninfo = connstr($pub, 'erp');
hub(qq{SELECT ownership.identify('erp', subscription => 'from_erp')});

sub park { hub(qq{SET ownership.system = 'pim'; INSERT INTO product (sku, title, note) VALUES ('$_', 'title $_', 'note $_')}) foreach @_; return }

sub waiting { return hub(q{SELECT string_agg(row_key->>'sku', ' ' ORDER BY row_key) FROM ownership.conflict WHERE outcome = 'parked' AND resolution IS NULL}) }

# applied rows
park(qw(A B C));
hub("CREATE SUBSCRIPTION from_erp CONNECTION '$conninfo' PUBLICATION product WITH (copy_data = false)");
erp("INSERT INTO product VALUES ('A', -1), ('B', 2)");
is(hub('TABLE product'), 'B|2|title B|note B', 'the row that the trigger suppresses is not there');
is(waiting(), 'A C', 'what waits for it goes on waiting');
erp("UPDATE product SET price = 1 WHERE sku = 'A'");
is(waiting(), 'A C', 'its UPDATE has no row, either');
erp("DELETE FROM product WHERE sku = 'A'; INSERT INTO product VALUES ('A', 1)");
is(hub("SELECT title, note FROM product WHERE sku = 'A'"), 'title A|note A', 'it lands when the row comes');

# a value that the trigger changes in the new row, and in the UPDATE by which it lands
erp("INSERT INTO product VALUES ('C', 200)");
is(hub("SELECT title, note FROM product WHERE sku = 'C'"), 'expensive|note C', 'what the trigger puts in is the database\'s doing');
is(hub("SELECT proposed, problem FROM ownership.conflict WHERE outcome = 'parked' AND resolution IS NULL"),
	'{"title": "title C"}|a trigger of table "product" has kept the value out of column "title"', 'what it keeps out goes on waiting');
hub("DELETE FROM ownership.conflict");

# in one transaction with later changes of the same row
park(qw(D E));
erp("BEGIN; INSERT INTO product VALUES ('D', 1), ('E', 1); UPDATE product SET price = 3 WHERE sku = 'D'; DELETE FROM product WHERE sku = 'E'; COMMIT");
is(hub("SELECT price, title, note FROM product WHERE sku = 'D'"), '3|title D|note D', 'a row that is updated at once');
is(waiting(), 'E', 'a row that is deleted at once');

# a first copy
park(qw(F G));
sql($pub, 'erp', "INSERT INTO product VALUES ('F', -1), ('G', 1)");
hub("DROP SUBSCRIPTION from_erp; DELETE FROM ownership.conflict WHERE row_key->>'sku' = 'E'");
hub("SET ownership.enforcement = off; TRUNCATE product");
park(qw(F G)) if waiting() ne 'F G';
hub("CREATE SUBSCRIPTION from_erp CONNECTION '$conninfo' PUBLICATION product");
$hub->wait_for_subscription_sync($pub, 'from_erp', 'integration');
is(hub("SELECT sku, title FROM product WHERE sku IN ('F', 'G')"), 'G|title G', 'a first copy');
is(waiting(), 'F', 'the row that it lacks');

# constraint triggers that fire in the worker, at once or when the transaction ends
hub(q{
	DROP TRIGGER zzzzz_later ON product;
	CREATE FUNCTION check_title() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		IF NEW.title ~ '[HJL]' THEN RAISE 'bad title'; END IF;
		RETURN NULL;
	END $$;
	CREATE CONSTRAINT TRIGGER at_end AFTER INSERT OR UPDATE ON product DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_title();
	ALTER TABLE product ENABLE ALWAYS TRIGGER at_end;
	DELETE FROM ownership.conflict});
park(qw(H I));
erp("INSERT INTO product VALUES ('H', 1), ('I', 1)");
is(hub("SELECT sku, title, note FROM product WHERE sku IN ('H', 'I') ORDER BY 1"), "H||note H\nI|title I|note I", 'a deferred constraint');
is(hub("SELECT row_key->>'sku', columns, problem FROM ownership.conflict WHERE outcome = 'parked' AND resolution IS NULL"), 'H|{title}|bad title', 'what violates it waits');
hub("ALTER TABLE product DISABLE TRIGGER at_end; CREATE CONSTRAINT TRIGGER at_once AFTER INSERT OR UPDATE ON product FOR EACH ROW EXECUTE FUNCTION check_title(); ALTER TABLE product ENABLE REPLICA TRIGGER at_once; DELETE FROM ownership.conflict");
park(qw(J K L));
erp("INSERT INTO product VALUES ('J', 1), ('K', 1); UPDATE product SET sku = 'L' WHERE sku = 'I'");
is(hub("SELECT sku, title, note FROM product WHERE sku IN ('J', 'K', 'L') ORDER BY 1"), "J||note J\nK|title K|note K\nL|title I|note L", 'an immediate constraint');
is(waiting(), 'J L', 'what violates it waits');

done_testing();
