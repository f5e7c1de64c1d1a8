# Replication into partitioned tables: several depths, partitions with another
# layout than their root, published by root and by leaf, and rows that move
# from one partition to another.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $pub = new_node('sources');
# Where there is one, a locale in which PostgreSQL quotes otherwise: a move must
# not be told by the words of a message.
my ($locale) = grep { /^de_.*utf-?8$/i } split(/\n/, `locale -a`);
my $hub = new_node('hub', preload => 1,
	extra => "wal_retrieve_retry_interval = '200ms'\n" . ($locale ? "lc_messages = '$locale'\n" : ''));

my @sources = qw(erp crm);
sql($pub, 'postgres', "CREATE DATABASE $_") foreach @sources;
sql($hub, 'postgres', 'CREATE DATABASE integration');

sub source { return sql($pub, $_[0], $_[1]) }
sub hub { return sql($hub, 'integration', $_[0]) }

sub send_from
{
	my ($db, $sql) = @_;
	source($db, $sql);
	$pub->wait_for_catchup("hub_${db}_root");
	$pub->wait_for_catchup("hub_${db}_leaf");
}

my $told = 0;

sub evidence
{
	my $rows = hub(qq{
		SELECT system, operation, outcome, table_name, columns, row_key, stored, proposed
		FROM ownership.conflict WHERE id > $told ORDER BY id});
	$told = hub('SELECT coalesce(max(id), 0) FROM ownership.conflict');
	return $rows;
}

# A table of two levels.  The hub's partitions have other column orders and
# dropped columns; a hub-only column has another attribute number in each.
sub tables
{
	my ($t, $plain) = @_;
	my $columns = 'region text NOT NULL, id int NOT NULL, price numeric, note text, state text';
	return "CREATE TABLE $t ($columns, PRIMARY KEY (region, id))" if $plain && $t =~ /moving|deep/;
	return qq{
		CREATE TABLE $t ($columns, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
		CREATE TABLE ${t}_eu PARTITION OF $t FOR VALUES IN ('eu');
		CREATE TABLE ${t}_us PARTITION OF $t FOR VALUES IN ('us') PARTITION BY RANGE (id);
		CREATE TABLE ${t}_us_low PARTITION OF ${t}_us FOR VALUES FROM (0) TO (100);
		CREATE TABLE ${t}_us_high PARTITION OF ${t}_us FOR VALUES FROM (100) TO (1000);} if $plain;
	return qq{
		CREATE TABLE $t (gone int, $columns, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
		ALTER TABLE $t DROP gone;
		CREATE TABLE ${t}_eu (note text, was text, price numeric, state text, region text NOT NULL, id int NOT NULL);
		ALTER TABLE ${t}_eu DROP was;
		ALTER TABLE $t ATTACH PARTITION ${t}_eu FOR VALUES IN ('eu');
		CREATE TABLE ${t}_na (id int NOT NULL, state text, note text, price numeric, region text NOT NULL) PARTITION BY LIST (region);
		CREATE TABLE ${t}_us (x int, y int, price numeric, region text NOT NULL, note text, id int NOT NULL, state text);
		ALTER TABLE ${t}_us DROP x, DROP y;
		ALTER TABLE ${t}_na ATTACH PARTITION ${t}_us FOR VALUES IN ('us');
		CREATE TABLE ${t}_ca PARTITION OF ${t}_na FOR VALUES IN ('ca');
		ALTER TABLE $t ATTACH PARTITION ${t}_na FOR VALUES IN ('us', 'ca');} if $t eq 'moving';
	return qq{
		CREATE TABLE $t (gone int, $columns, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
		ALTER TABLE $t DROP gone;
		CREATE TABLE ${t}_eu (note text, was text, price numeric, state text, region text NOT NULL, id int NOT NULL);
		ALTER TABLE ${t}_eu DROP was;
		ALTER TABLE $t ATTACH PARTITION ${t}_eu FOR VALUES IN ('eu');
		CREATE TABLE ${t}_us (id int NOT NULL, state text, note text, price numeric, region text NOT NULL) PARTITION BY RANGE (id);
		CREATE TABLE ${t}_us_low (x int, y int, price numeric, region text NOT NULL, note text, id int NOT NULL, state text);
		ALTER TABLE ${t}_us_low DROP x, DROP y;
		ALTER TABLE ${t}_us ATTACH PARTITION ${t}_us_low FOR VALUES FROM (0) TO (100);
		CREATE TABLE ${t}_us_high PARTITION OF ${t}_us FOR VALUES FROM (100) TO (1000);
		ALTER TABLE $t ATTACH PARTITION ${t}_us FOR VALUES IN ('us');};
}

# "rooted" is published as its root, "leafed" leaf by leaf.  "moving" and
# "deep" are no partitioned tables at the source, whose UPDATEs therefore
# arrive as such and move rows here.  The erp decides which rows there are, the
# crm where they belong; in "deep" the erp decides that, too.  state is the
# erp's in eu alone: row owners on a partitioned table.
my @tables = qw(rooted leafed moving deep);
my $rows = q{('eu', 1, 10, 'n1', 's1'), ('us', 2, 20, 'n2', 's2'), ('us', 200, 30, 'n200', 's200')};
foreach my $t (@tables)
{
	foreach my $db (@sources)
	{
		source($db, tables($t, 1));
		source($db, "INSERT INTO $t VALUES $rows");
	}
	hub(tables($t, 0));
}
hub(q{
	CREATE EXTENSION ownership;
	SELECT ownership.add_system('erp', 'erp');
	SELECT ownership.add_system('crm', 'crm')});
foreach my $t (@tables)
{
	hub(qq{
		SELECT ownership.assign('$t', '{id,price}', 'erp');
		SELECT ownership.assign('$t', '{region,note}', 'crm');
		SELECT ownership.assign('$t', '{state}', 'crm');
		SELECT ownership.assign_rows('$t', '{state}', 'erp', \$\$region = 'eu'\$\$);
		-- as a key, region would keep the erp from creating rows
		UPDATE ownership.field SET key = false WHERE entity = '$t' AND name = 'region';
		UPDATE ownership.field SET owner = 'erp' WHERE entity = 'deep' AND name = 'region';
		SET ownership.enforcement = off;
		INSERT INTO $t (region, id, price, note, state) VALUES $rows});
}
foreach my $db (@sources)
{
	my $conninfo = connstr($pub, $db);
	source($db, qq{
		CREATE PUBLICATION root FOR TABLE rooted, moving, deep WITH (publish_via_partition_root = true);
		CREATE PUBLICATION leaf FOR TABLE leafed WITH (publish_via_partition_root = false)});
	foreach my $how (qw(root leaf))
	{
		hub(qq{
			CREATE SUBSCRIPTION hub_${db}_$how CONNECTION '$conninfo' PUBLICATION $how WITH (copy_data = false)});
		hub("SELECT ownership.identify('$db', subscription => 'hub_${db}_$how')");
	}
}
$hub->wait_for_subscription_sync(undef, undef, 'integration');

is(hub(q{SELECT relation, guarded, partitions, partitions_guarded, problems FROM ownership.guards ORDER BY relation COLLATE "C"}),
	join("\n", map { "$_|t|4|4|{}" } sort @tables), 'the whole tree is guarded');

my $offset = -s $hub->logfile;
foreach my $t (@tables)
{
	my %leaf = $t eq 'moving' ? (low => 'us', high => 'us') : (low => 'us_low', high => 'us_high');
	my $all = "SELECT tableoid::regclass, region, id, price, note, state FROM $t ORDER BY id";

	# one row in each leaf: attribute numbers differ in each
	send_from('crm', qq{UPDATE $t SET price = 99, note = note || '!', state = 'c'});
	is(hub($all), join("\n",
			"${t}_eu|eu|1|10|n1!|s1", "${t}_$leaf{low}|us|2|20|n2!|c", "${t}_$leaf{high}|us|200|30|n200!|c"),
		"$t: own columns land, others stay, in every partition");
	is(evidence(), join("\n",
			qq(crm|UPDATE|kept|$t|{price,state}|{"id": 1}|{"price": "10", "state": "s1"}|{"price": "99", "state": "c"}),
			qq(crm|UPDATE|kept|$t|{price}|{"id": 2}|{"price": "20"}|{"price": "99"}),
			qq(crm|UPDATE|kept|$t|{price}|{"id": 200}|{"price": "30"}|{"price": "99"})),
		"$t: evidence names the table on the map");
	send_from('erp', qq{UPDATE $t SET price = price + 1, state = 'e'});
	is(hub($all), join("\n",
			"${t}_eu|eu|1|11|n1!|e", "${t}_$leaf{low}|us|2|21|n2!|c", "${t}_$leaf{high}|us|200|31|n200!|c"),
		"$t: the owner's land; row owners by the stored row");
	evidence();

	# nothing left
	my $version = hub("SELECT tableoid, ctid, xmin FROM $t ORDER BY id");
	send_from('crm', qq{UPDATE $t SET price = 98});
	is(hub("SELECT tableoid, ctid, xmin FROM $t ORDER BY id"), $version, "$t: rows of which nothing is left are not written");
	evidence();

	# rows come and go with the owner of the key
	send_from('crm', qq{
		INSERT INTO $t VALUES ('us', 300, 1, 'x', 'x');
		DELETE FROM $t WHERE id = 2});
	is(hub("SELECT count(*), sum(id) FROM $t"), '3|203', "$t: no row without the key");
	is(hub(q{SELECT string_agg(operation || ' ' || outcome || ' ' || row_key, ', ' ORDER BY id) FROM ownership.conflict WHERE id > } . $told),
		'INSERT discarded {"id": 300}, DELETE discarded {"id": 2}', "$t: evidence");
	# the crm sees reason
	send_from('crm', qq{
		DELETE FROM $t WHERE id = 300;
		INSERT INTO $t VALUES ('us', 2, 98, 'n2!', 'c')});
	is(hub("SELECT count(*), sum(id) FROM $t"), '3|203', "$t: a row that is there does not come again");
	evidence();
}

#
# A row that moves at a partitioned source arrives as DELETE and INSERT, which
# need the key.
#
foreach my $t (qw(rooted leafed))
{
	send_from('crm', qq{UPDATE $t SET region = 'us' WHERE id = 1});
	is(hub("SELECT tableoid::regclass, region FROM $t WHERE id = 1"), "${t}_eu|eu", "$t: a row that left its partition at the source stays, once");
	is(hub(qq{SELECT string_agg(operation || ' ' || outcome || ' ' || row_key, ', ' ORDER BY id) FROM ownership.conflict WHERE id > $told}),
		'DELETE discarded {"id": 1}, INSERT discarded {"id": 1}', "$t: evidence");
	evidence();
}

#
# A replicated UPDATE that moves a row is judged as the UPDATE it is.
#
sub moving { return hub("SELECT tableoid::regclass, region, id, price, note, state FROM moving WHERE $_[0] ORDER BY id") }
sub deep { return hub("SELECT tableoid::regclass, region, id, price, note, state FROM deep WHERE $_[0] ORDER BY id") }

send_from('crm', q{UPDATE moving SET region = 'us', note = 'moved', price = 97 WHERE id = 1});
is(moving('id = 1'), 'moving_us|us|1|11|moved|e', 'the row moves by whom the partition key belongs to; what is foreign is kept');
is(evidence(), q(crm|UPDATE|kept|moving|{price}|{"id": 1}|{"price": "11"}|{"price": "97"}),
	'as evidence of an UPDATE; the refused state was told before');
send_from('crm', q{UPDATE moving SET region = 'ca', note = 'on' WHERE id = 1});
is(moving('id = 1'), 'moving_ca|ca|1|11|on|c', 'on the lower level, too; in us the state was its own');
send_from('crm', q{UPDATE moving SET region = 'eu', note = 'back' WHERE id = 1});
is(moving('id = 1'), 'moving_eu|eu|1|11|back|c', 'and back');
is(evidence(), '', 'recorded once');
send_from('crm', q{
	BEGIN;
	UPDATE moving SET region = 'us', state = 'd' WHERE id = 1;
	INSERT INTO moving VALUES ('us', 3, 1, 'new', 'new');
	UPDATE moving SET region = 'eu' WHERE id = 2;
	DELETE FROM moving WHERE id = 200;
	COMMIT});
is(moving('id < 100'), "moving_us|us|1|11|back|c\nmoving_eu|eu|2|21|n2!|c", 'what follows a move is judged for itself');
is(evidence(), join("\n",
		q(crm|UPDATE|kept|moving|{state}|{"id": 1}|{"state": "c"}|{"state": "d"}),
		q(crm|INSERT|discarded|moving|{id}|{"id": 3}||{"id": "3", "note": "new", "price": "1", "state": "new", "region": "us"}),
		q(crm|DELETE|discarded|moving|{id}|{"id": 200}|{"id": "200"}|)), 'as evidence tells');

# a move may rename the key, where that is the writer's
send_from('erp', q{
	BEGIN;
	UPDATE deep SET id = 20, price = 32, note = 'erp' WHERE id = 200;
	UPDATE deep SET region = 'us', id = 201 WHERE id = 1;
	COMMIT});
is(deep('id IN (1, 20, 200, 201)'), "deep_us_low|us|20|32|n200!|c\ndeep_us_high|us|201|11|n1!|e",
	'the owner of all partition keys moves rows on every level');
like(evidence(), qr/^erp\|UPDATE\|kept\|deep\|\{[^}]*note[^}]*\}\|\{"id": 20\}\|\{.*"note": "n200!".*\}\|\{.*"note": "erp".*\}(\n|$)/,
	'what is foreign is kept, under the new key');

# the partition key is another's: the row stays where it is, as it is, once
my $before = moving('id = 200');
send_from('erp', q{UPDATE moving SET region = 'eu', price = 500 WHERE id = 200});
is(moving('id = 200'), $before, 'who may not move a row leaves it as it was, once');
my $discarded = hub(qq{SELECT system, operation, outcome, columns, row_key, proposed FROM ownership.conflict WHERE id > $told});
like($discarded, qr/^erp\|UPDATE\|discarded\|\{[^}]*region[^}]*\}\|\{"id": 200\}\|\{.*"price": "500".*\}$/, 'one row of evidence, with the whole row');
like($discarded, qr/"region": "eu"/, 'and where it should have gone');
evidence();
$before = deep('id = 2');
send_from('crm', q{UPDATE deep SET id = 120, note = 'renamed' WHERE id = 2});
is(deep('id IN (2, 120)'), $before, 'the same below');
like(evidence(), qr/^crm\|UPDATE\|discarded\|deep\|\{[^}]*id[^}]*\}\|\{"id": 2\}\|.*"note": "renamed"/, 'evidence');
# whatever becomes of a move by whom some of the partition keys belong to, the
# row is there once, and nothing is lost
hub(q{UPDATE ownership.field SET owner = 'crm' WHERE entity = 'deep' AND name = 'region'});
send_from('crm', q{UPDATE deep SET region = 'eu' WHERE id = 120});
send_from('crm', q{UPDATE deep SET id = 2, region = 'us' WHERE id = 120});
send_from('crm', q{UPDATE deep SET region = 'eu', note = 'whereabouts' WHERE id = 2});
is(hub('SELECT count(*) FROM deep WHERE id = 2'), '1', 'a row is in one partition');
is(hub(qq{
		SELECT (SELECT count(*) FROM deep WHERE id = 2 AND note = 'whereabouts' AND region = 'eu')
			+ (SELECT count(*) FROM ownership.conflict WHERE id > $told
				AND outcome = 'discarded' AND proposed->>'note' = 'whereabouts' AND proposed->>'region' = 'eu')}),
	'1', 'the new values are in it, or in the evidence');
evidence();

# what a move may do is observed, filled and overridden like any UPDATE
hub(q{
	UPDATE ownership.field SET policy = 'observe' WHERE entity = 'moving' AND name = 'price';
	UPDATE ownership.field SET policy = 'fill' WHERE entity = 'moving' AND name = 'state';
	SET ownership.enforcement = off;
	UPDATE moving SET region = 'eu', state = NULL WHERE id = 1});
source('crm', q{UPDATE moving SET region = 'eu', price = 11, state = NULL WHERE id = 1});
$pub->wait_for_catchup('hub_crm_root');
evidence();
send_from('crm', q{UPDATE moving SET region = 'us', price = 70, state = 'filled' WHERE id = 1});
is(moving('id = 1'), 'moving_us|us|1|70|back|filled', 'observe and fill let a move through');
is(evidence(), join("\n",
		q(crm|UPDATE|observed|moving|{price}|{"id": 1}|{"price": "11"}|{"price": "70"}),
		q(crm|UPDATE|filled|moving|{state}|{"id": 1}|{"state": null}|{"state": "filled"})), 'with evidence');
hub(q{
	UPDATE ownership.field SET policy = NULL WHERE entity = 'moving';
	UPDATE ownership.identity SET steward = true WHERE name = 'hub_erp_root'});
send_from('erp', q{UPDATE moving SET region = 'ca', note = 'steward' WHERE id = 2});
is(moving('id = 2'), 'moving_eu|eu|2|21|n2!|c', 'a row that is elsewhere than at the source is not found');
source('erp', q{UPDATE moving SET region = 'eu' WHERE id = 2});
send_from('erp', q{UPDATE moving SET region = 'ca', note = 'steward', state = 'c' WHERE id = 2});
is(moving('id = 2'), 'moving_ca|ca|2|21|steward|c', 'a steward moves it');
is(evidence(), q(erp|UPDATE|overridden|moving|{note,region}|{"id": 2}|{"note": "n2!", "region": "eu"}|{"note": "steward", "region": "ca"}), 'overridden');
hub(q{UPDATE ownership.identity SET steward = false});

# strict: a move raises as an UPDATE does
hub(q{
	UPDATE ownership.identity SET strict = true WHERE name = 'hub_crm_root';
	ALTER SUBSCRIPTION hub_crm_root SET (disable_on_error = true)});
source('crm', q{UPDATE moving SET region = 'eu', price = 71 WHERE id = 1});
wait_for($hub, 'integration', q{SELECT NOT subenabled FROM pg_subscription WHERE subname = 'hub_crm_root'});
is(moving('id = 1'), 'moving_us|us|1|70|back|filled', 'strict: a move with a foreign column raises');
hub(q{
	UPDATE ownership.identity SET strict = false WHERE name = 'hub_crm_root';
	ALTER SUBSCRIPTION hub_crm_root ENABLE});
$pub->wait_for_catchup('hub_crm_root');
is(moving('id = 1'), 'moving_eu|eu|1|70|back|filled', 'and goes through without it when no longer strict');

# also where what stands in the way is a partition key that does not change
send_from('crm', q{INSERT INTO deep VALUES ('us', 50, 50, 'n50', 's50')});
hub(q{
	SET ownership.enforcement = off;
	INSERT INTO deep (region, id, price, note, state) VALUES ('us', 50, 50, 'n50', 's50');
	UPDATE ownership.identity SET strict = true WHERE name = 'hub_crm_root'});
evidence();
source('crm', q{UPDATE deep SET region = 'eu' WHERE id = 50});
wait_for($hub, 'integration', q{SELECT NOT subenabled FROM pg_subscription WHERE subname = 'hub_crm_root'});
is(deep('id = 50'), 'deep_us_low|us|50|50|n50|s50', 'strict: who may not write all partition keys above the row gets an error');
hub(q{
	UPDATE ownership.identity SET strict = false WHERE name = 'hub_crm_root';
	ALTER SUBSCRIPTION hub_crm_root ENABLE});
$pub->wait_for_catchup('hub_crm_root');
like(evidence(), qr/^crm\|UPDATE\|discarded\|deep\|\{id\}\|\{"id": 50\}\|.*"region": "eu"/, 'and evidence when no longer strict');

# A move of which a trigger suppresses the arrival: the INSERT that comes next
# is one.
evidence();
hub(q{
	CREATE FUNCTION suppress() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
	CREATE TRIGGER a BEFORE INSERT ON moving_us FOR EACH ROW WHEN (new.id = 1) EXECUTE FUNCTION suppress();
	ALTER TABLE moving_us ENABLE ALWAYS TRIGGER a});
send_from('crm', q{
	BEGIN;
	UPDATE moving SET region = 'us' WHERE id = 1;
	INSERT INTO moving VALUES ('eu', 9, 99, NULL, NULL);
	COMMIT});
is(moving('id IN (1, 9)'), '', 'an INSERT after a move that a trigger suppressed');
is(evidence(), q(crm|INSERT|discarded|moving|{id}|{"id": 9}||{"id": "9", "note": null, "price": "99", "state": null, "region": "eu"}), 'is judged as the INSERT it is');

# TRUNCATE of a partitioned table
foreach my $t (qw(rooted leafed))
{
	source('erp', "TRUNCATE $t");
	$pub->wait_for_catchup("hub_erp_$_") foreach qw(root leaf);
	is(hub("SELECT count(*) FROM $t"), '0', "$t: the owner of the key truncates");
}
hub('ALTER SUBSCRIPTION hub_crm_root SET (disable_on_error = true)');
source('crm', 'TRUNCATE moving');
wait_for($hub, 'integration', q{SELECT NOT subenabled FROM pg_subscription WHERE subname = 'hub_crm_root'});
cmp_ok(hub('SELECT count(*) FROM moving'), '>', 0, 'and no one else');

unlike(slurp_file($hub->logfile, $offset), qr/leak/, 'no leaked references');

$hub->stop;
$pub->stop;
done_testing();
