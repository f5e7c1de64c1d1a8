# The library preloaded or not, the rules are the same, from the first
# statement of a session on; who may say who is writing; and sessions that
# must see a change of the map in the middle of what they do.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my ($node, $how);

sub super { return sql($node, 'postgres', $_[0]) }
sub as { return psql_as($node, 'postgres', @_) }
sub fails { return error_as($node, 'postgres', @_) }

# whatever a session says, on its own; errors do not stop it
sub try
{
	my ($role, $sql) = @_;
	my ($rc, $out, $err) = $node->psql('postgres', $sql, on_error_stop => 0,
		extra_params => [ '-U', $role ]);
	return $err;
}

my $told = 0;

sub evidence
{
	my $rows = super(qq{
		SELECT system, operation, outcome, columns, row_key, stored, proposed
		FROM ownership.conflict WHERE id > $told ORDER BY id});
	$told = super('SELECT coalesce(max(id), 0) FROM ownership.conflict');
	return $rows;
}

sub price { return super(q{SELECT price FROM item WHERE id = 1}) }

foreach my $preload (1, 0)
{
	$how = $preload ? 'preloaded' : 'not preloaded';
	$node = new_node("node_$preload", preload => $preload);
	$told = 0;

	super(q{
		CREATE ROLE erp_app LOGIN;
		CREATE ROLE crm_app LOGIN;
		CREATE ROLE middleware LOGIN;
		CREATE EXTENSION ownership;
		CREATE TABLE item (id int PRIMARY KEY, price numeric DEFAULT 0, note text,
			seen timestamptz DEFAULT clock_timestamp(), stamp text DEFAULT 'x' || random());
		GRANT ALL ON item TO PUBLIC;
		GRANT CREATE ON SCHEMA public TO crm_app;
		SELECT ownership.add_system('erp', 'erp', role => 'erp_app');
		SELECT ownership.add_system('crm', 'crm', role => 'crm_app');
		SELECT ownership.assign('item', '{price}', 'erp');
		SELECT ownership.assign('item', '{seen}', 'erp');
		SELECT ownership.assign('item', '{stamp}', 'erp', policy => 'keep');
		SELECT ownership.assign('item', '{id,note}', 'crm')});

	#
	# The first statement of a session.  A default that is not constant counts
	# as written where the statement names the column.
	#
	as('crm_app', q{INSERT INTO item (id, note) VALUES (1, 'first')});
	is(super('SELECT id, price, seen IS NOT NULL, stamp LIKE $$x%$$ FROM item'), '1|0|t|t', "$how: INSERT without naming it");
	like(fails('crm_app', q{INSERT INTO item (id, seen) VALUES (2, now())}),
		qr/ERROR:  42501: .*"seen"/, "$how: INSERT naming it");
	like(fails('crm_app', q{WITH i AS (INSERT INTO item (id, seen) VALUES (2, now()) RETURNING id) SELECT id FROM i}),
		qr/ERROR:  42501: .*"seen"/, "$how: in a CTE");
	like(fails('crm_app', q{PREPARE p AS INSERT INTO item (id, seen) SELECT 2, now(); EXECUTE p}),
		qr/ERROR:  42501: .*"seen"/, "$how: by EXECUTE");
	super(q{CREATE VIEW item_view AS SELECT id, seen AS at FROM item; GRANT ALL ON item_view TO PUBLIC});
	like(fails('crm_app', q{INSERT INTO item_view VALUES (2, now())}),
		qr/ERROR:  42501: .*"seen"/, "$how: through a view");
	super(q{
		CREATE FUNCTION in_sql() RETURNS int LANGUAGE sql AS $$INSERT INTO item (id, seen) VALUES (2, now()) RETURNING id$$;
		CREATE FUNCTION in_plpgsql() RETURNS void LANGUAGE plpgsql AS $$BEGIN INSERT INTO item (id, seen) VALUES (2, now()); END$$;
		CREATE FUNCTION in_trigger() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO item (id, seen) VALUES (2, now()); RETURN NEW; END$$;
		CREATE TABLE other (id int);
		CREATE TRIGGER t BEFORE INSERT ON other FOR EACH ROW EXECUTE FUNCTION in_trigger();
		GRANT ALL ON other TO PUBLIC});
	like(fails('crm_app', $_), qr/ERROR:  42501: .*"seen"/, "$how: by $_")
	  foreach 'SELECT in_sql()', 'SELECT in_plpgsql()', 'DO $$BEGIN INSERT INTO item (id, seen) VALUES (2, now()); END$$',
	  'INSERT INTO other VALUES (1)';
	like(fails('crm_app', qq{COPY item (id, seen) FROM STDIN;\n2\t2026-01-01\n\\.\n}),
		qr/ERROR:  42501: .*"seen"/, "$how: COPY naming it");
	like(fails('crm_app', qq{COPY item FROM STDIN;\n2\t0\tnote\t2026-01-01\txx\n\\.\n}),
		qr/ERROR:  42501: .*"seen"/, "$how: COPY of all columns");
	as('crm_app', qq{COPY item (id, note) FROM STDIN;\n3\tcopied\n\\.\n});
	is(super('SELECT note, seen IS NOT NULL FROM item WHERE id = 3'), 'copied|t', "$how: COPY without naming it");
	is(super('SELECT count(*) FROM item WHERE id = 2'), '0', "$how: nothing of what failed is there");
	is(evidence(), '', "$how: and nothing is in conflict");

	# within the COPY of another table, which names what it names
	super(q{
		CREATE FUNCTION within() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			EXECUTE format('INSERT INTO item (id, %I) SELECT 10 + i, NULLIF(i, 1)::text::%s FROM generate_series(1, 3) i', NEW.what, NEW.type);
			RETURN NEW;
		END$$;
		CREATE TABLE outside (what text, type text);
		CREATE TRIGGER t BEFORE INSERT ON outside FOR EACH ROW EXECUTE FUNCTION within();
		GRANT ALL ON outside TO PUBLIC});
	like(fails('crm_app', qq{COPY outside (what, type) FROM STDIN;\nprice\tnumeric\n\\.\n}),
		qr/ERROR:  42501: .*"price"/, "$how: INSERT within a COPY of another table");
	like(fails('crm_app', qq{COPY outside (what, type) FROM STDIN;\nseen\tinterval + now()\n\\.\n}),
		qr/ERROR:  (42501: .*"seen"|40001: could not determine in time)/, "$how: with a default that is not constant");

	# keep: the default stands in
	as('crm_app', q{INSERT INTO item (id, stamp) VALUES (4, 'mine')});
	is(super(q{SELECT stamp LIKE 'x%' FROM item WHERE id = 4}), 't', "$how: keep of a column with a default that is not constant");
	like(evidence(), qr/^crm\|INSERT\|kept\|\{stamp\}\|\{"id": 4\}\|.*\|\{"stamp": "mine"\}$/, "$how: as evidence");
	as('crm_app', qq{COPY item (id, stamp) FROM STDIN;\n5\tmine\n\\.\n});
	is(super(q{SELECT stamp LIKE 'x%' FROM item WHERE id = 5}), 't', "$how: and by COPY");
	like(evidence(), qr/^crm\|INSERT\|kept\|\{stamp\}\|\{"id": 5\}\|.*\|\{"stamp": "mine"\}$/, "$how: as evidence");

	# upserts, whose INSERT arm must neither be judged nor amended
	super(q{SET ownership.enforcement = off; UPDATE item SET price = 10, stamp = 's', seen = '2026-01-01 UTC' WHERE id = 1});
	my $upsert = q{INSERT INTO item VALUES (1, %s, '%s', '%s', '%s') ON CONFLICT (id) DO UPDATE SET
		price = EXCLUDED.price, note = EXCLUDED.note, seen = EXCLUDED.seen, stamp = EXCLUDED.stamp};
	is(try('crm_app', sprintf($upsert, '10.0', 'same', '2026-01-01 UTC', 's')), '', "$how: an upsert that resends what is stored");
	is(super('SELECT trim_scale(price), note, stamp FROM item WHERE id = 1'), '10|same|s', "$how: its own column lands");
	is(evidence(), '', "$how: without conflict");
	like(fails('crm_app', sprintf($upsert, '11', 'other', '2026-01-01 UTC', 's')), qr/ERROR:  42501: .*"price"/, "$how: an upsert with another's value");
	like(try('crm_app', sprintf($upsert, '10', 'kept', '2026-01-01 UTC', 'mine')), qr/^(psql:<stdin>:\d+: )?NOTICE:[^\n]*(\n.*DETAIL:[^\n]*)?$/,
		"$how: keep in an upsert is one notice");
	is(super('SELECT note, stamp FROM item WHERE id = 1'), 'kept|s', "$how: and its own column lands");
	is(evidence(), 'crm|UPDATE|kept|{stamp}|{"id": 1}|{"stamp": "s"}|{"stamp": "mine"}', "$how: evidence holds what it proposed");

	#
	# A rejected value is in the server log even where nobody is told.
	#
	my $offset = -s $node->logfile;
	as('crm_app', q{DO $$BEGIN UPDATE item SET price = 4700 + 11 WHERE id = 1; EXCEPTION WHEN insufficient_privilege THEN NULL; END$$});
	my $log = slurp_file($node->logfile, $offset);
	my @lines = $log =~ /(LOG:  .*4711.*)/g;
	is(scalar @lines, 1, "$how: a caught rejection leaves a line in the server log");
	like($lines[0] // '', qr/"crm".*crm_app.*"id": 1.*"price": "4711"/, "$how: with writer, row and value");
	is(price(), '10', "$how: and is rejected");

	#
	# ownership.system: for superusers and by grant.
	#
	like(fails('crm_app', q{SELECT ownership.current_system(); SET ownership.system = 'erp'}),
		qr/ERROR:  42501: permission denied to set parameter "ownership.system"/, "$how: not for everyone");
	foreach my $set (q{SET ownership.system = 'erp'}, q{SET ownership.enforcement = 'off'},
		q{SET ownership.enforcement = 'observe'}, q{SET ownership.default_policy = 'observe'})
	{
		# before the library is loaded, a setting is a mere name
		like(try('crm_app', "$set; UPDATE item SET price = 66"), qr/ERROR:  system "crm" may not write column "price"/, "$how: $set has no effect");
		like(try('crm_app', "BEGIN; SAVEPOINT s; " . ($set =~ s/SET/SET LOCAL/r) . "; ROLLBACK TO s; UPDATE item SET price = 66; COMMIT"),
			qr/ERROR:  system "crm" may not write column "price"/, "$how: nor has it rolled back");
		like(try('crm_app', "BEGIN; " . ($set =~ s/SET/SET LOCAL/r) . "; UPDATE item SET price = 66; COMMIT"),
			qr/ERROR:  (system "crm" may not write column "price"|permission denied|current transaction is aborted)/, "$how: nor with LOCAL");
		try('crm_app', "ALTER ROLE crm_app $set");
		like(try('crm_app', q{UPDATE item SET price = 66}), qr/ERROR:  system "crm" may not write column "price"/, "$how: nor by ALTER ROLE");
		{
			local $ENV{PGOPTIONS} = '-c ' . ($set =~ s/SET | = |'/ $& eq ' = ' ? '=' : ''/ger);
			isnt(try('crm_app', q{UPDATE item SET price = 66}), '', "$how: nor by a startup option");
		}
		my $clause = $set;
		try('crm_app', qq{
			CREATE FUNCTION sneak() RETURNS void LANGUAGE plpgsql $clause AS \$\$BEGIN UPDATE item SET price = 66; END\$\$});
		isnt(try('crm_app', 'SELECT sneak()'), '', "$how: nor by a function's clause");
		super('DROP FUNCTION IF EXISTS sneak');
		is(super('SELECT count(*) FROM item WHERE price = 66'), '0', "$how: the price stays");
	}

	super(q{GRANT SET ON PARAMETER ownership.system TO middleware});
	is(as('middleware', q{SELECT ownership.current_system()}), '', "$how: the middleware is nobody");
	is(as('middleware', q{SET ownership.system = 'erp'; UPDATE item SET price = 12 WHERE id = 1 RETURNING price}), '12', "$how: by grant it says who it writes for");
	is(as('middleware', q{SET ownership.system = 'erp'; SELECT ownership.current_system(); SET ownership.system = 'crm'; SELECT ownership.current_system()}), "erp\ncrm",
		"$how: now this, now that");
	like(fails('middleware', q{SET ownership.system = 'crm'; UPDATE item SET price = 13 WHERE id = 1}), qr/ERROR:  42501: system "crm"/, "$how: and is judged as that");
	like(fails('middleware', q{SET ownership.enforcement = off; UPDATE item SET price = 13 WHERE id = 1}), qr/ERROR:  42501/, "$how: the grant is for this setting alone");
	{
		local $ENV{PGOPTIONS} = '-c ownership.system=erp';
		is(as('middleware', q{UPDATE item SET price = 14 WHERE id = 1 RETURNING price}), '14', "$how: as a startup option");
		is(as('middleware', q{SET ownership.system = 'crm'; SELECT ownership.current_system(); DISCARD ALL; SELECT ownership.current_system()}),
			"crm\nerp", "$how: DISCARD ALL goes back to it");
	}
	like(fails('middleware', q{SET ownership.system = 'epr'; UPDATE item SET price = 15 WHERE id = 1}),
		qr/ERROR:  42704: .*"epr".*HINT:  .*"erp"/s, "$how: an unknown name is an error at the first guarded write");
	is(as('middleware', q{SET ownership.system = 'epr'; SELECT count(*) > 0 FROM item}), 't', "$how: and not before");
	# the setting goes before the role
	super(q{GRANT SET ON PARAMETER ownership.system TO crm_app});
	is(as('crm_app', q{SET ownership.system = 'erp'; UPDATE item SET price = 15 WHERE id = 1 RETURNING price}), '15', "$how: the setting goes before the role");
	super(q{REVOKE SET ON PARAMETER ownership.system FROM crm_app});
	evidence();

	#
	# Evidence in a prepared transaction.
	#
	as('crm_app', q{BEGIN; UPDATE item SET stamp = 'p1', note = 'p1' WHERE id = 1; PREPARE TRANSACTION 'one'});
	as('crm_app', q{BEGIN; UPDATE item SET stamp = 'p2', note = 'p2' WHERE id = 3; PREPARE TRANSACTION 'two'});
	is(evidence(), '', "$how: of a prepared transaction nothing is seen");
	$node->restart;
	super(q{COMMIT PREPARED 'one'});
	super(q{ROLLBACK PREPARED 'two'});
	is(evidence(), 'crm|UPDATE|kept|{stamp}|{"id": 1}|{"stamp": "s"}|{"stamp": "p1"}', "$how: evidence comes with its commit");
	is(super('SELECT id, note FROM item WHERE id IN (1, 3) ORDER BY id'), "1|p1\n3|copied", "$how: as the row does");
	# more observed rows than are recorded in full
	super(q{UPDATE ownership.field SET policy = 'observe' WHERE name = 'stamp'; ALTER DATABASE postgres SET ownership.observed_limit = 1});
	as('crm_app', q{BEGIN; UPDATE item SET stamp = 'p3' WHERE id IN (3, 4, 5); PREPARE TRANSACTION 'three'});
	super(q{COMMIT PREPARED 'three'});
	like(evidence(), qr/^crm\|UPDATE\|observed\|\{stamp\}\|\{"id": \d\}\|[^\n]*\ncrm\|UPDATE\|observed\|\{stamp\}\|\|\|2$/, "$how: and the count of the rest");
	super(q{UPDATE ownership.field SET policy = 'keep' WHERE name = 'stamp'; ALTER DATABASE postgres RESET ownership.observed_limit});

	#
	# A change of the map is seen by every statement that comes after its
	# commit: by a prepared one in an open transaction, under REPEATABLE READ,
	# and both ways.
	#
	foreach my $level ('READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE')
	{
		my $session = $node->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'crm_app' ]);
		$session->query_safe(qq{
			PREPARE p (text) AS UPDATE item SET note = \$1 WHERE id = 1;
			PREPARE q (numeric) AS UPDATE item SET price = \$1 WHERE id = 1;
			BEGIN ISOLATION LEVEL $level;
			EXECUTE p('a'); EXECUTE p('b'); EXECUTE p('c');
			EXECUTE p('d'); EXECUTE p('e'); EXECUTE p('f'); EXECUTE p('g')});
		super(q{UPDATE ownership.field SET owner = 'crm' WHERE name = 'price'});
		$session->query_safe(q{EXECUTE q(77)});
		super(q{UPDATE ownership.field SET owner = 'erp' WHERE name IN ('note', 'price')});
		$session->query(q{SAVEPOINT s; EXECUTE p('never')});
		like($session->{stderr}, qr/system "crm" may not write column "note"/, "$how: $level: a prepared statement sees a map change");
		$session->{stderr} = '';
		$session->query_safe(q{ROLLBACK TO s});
		$session->query(q{EXECUTE q(78)});
		like($session->{stderr}, qr/system "crm" may not write column "price"/, "$how: $level: and the next");
		$session->{stderr} = '';
		# an identity is part of the map
		$session->query_safe(q{ROLLBACK TO s});
		super(q{UPDATE ownership.identity SET system = 'erp' WHERE name = 'crm_app'});
		$session->query_safe(q{EXECUTE p('as the erp'); COMMIT});
		is(super('SELECT price, note FROM item WHERE id = 1'), '77|as the erp', "$how: $level: as a change of who is writing");
		$session->quit;
		super(q{
			UPDATE ownership.identity SET system = 'crm' WHERE name = 'crm_app';
			UPDATE ownership.field SET owner = 'crm' WHERE name = 'note'});
	}

	#
	# A role that is dropped and made again is another one.
	#
	super(q{
		CREATE ROLE crm_group;
		CREATE ROLE temp_app LOGIN;
		CREATE ROLE member LOGIN IN ROLE crm_group;
		SELECT ownership.identify('crm', role => 'temp_app'), ownership.identify('crm', role => 'crm_group')});
	is(as('temp_app', q{UPDATE item SET note = 'temp' WHERE id = 1 RETURNING note}), 'temp', "$how: an identified role");
	is(as('member', q{UPDATE item SET note = 'member' WHERE id = 1 RETURNING note}), 'member', "$how: and a member of one");
	my $member = $node->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'member' ]);
	$member->query_safe(q{UPDATE item SET note = 'member' WHERE id = 1});
	super(q{
		DROP ROLE temp_app, crm_group;
		CREATE ROLE temp_app LOGIN;
		CREATE ROLE crm_group;
		GRANT crm_group TO member});
	like(fails('temp_app', q{UPDATE item SET note = 'new' WHERE id = 1}), qr/ERROR:  42501: unidentified role "temp_app"/, "$how: made again, it is nobody");
	like(fails('member', q{UPDATE item SET note = 'new' WHERE id = 1}), qr/ERROR:  42501: unidentified role "member"/, "$how: as its members are");
	$member->query(q{UPDATE item SET note = 'new' WHERE id = 1});
	like($member->{stderr}, qr/unidentified role "member"/, "$how: in sessions that were there before, too");
	$member->{stderr} = '';
	is(super(q{SELECT count(*) FROM ownership.risks WHERE risk = 'unknown_identity' AND detail ~ 'temp_app|crm_group'}), '2', "$how: risks tells of both");
	super(q{SELECT ownership.identify('crm', role => 'temp_app'), ownership.identify('crm', role => 'crm_group')});
	is(as('temp_app', q{UPDATE item SET note = 'again' WHERE id = 1 RETURNING note}), 'again', "$how: identified again, it writes");
	$member->query_safe(q{UPDATE item SET note = 'member again' WHERE id = 1});
	$member->quit;
	is(super('SELECT note FROM item WHERE id = 1'), 'member again', "$how: and its members");
	# a new name for the same role is the same role, identified by its new name
	is(super(q{SELECT count(*) FROM ownership.risks WHERE risk = 'unknown_identity'}), '0', "$how: no risk is left");

	$node->stop;
}

done_testing();
