# pg_upgrade keeps OIDs and rows: bindings, map, guard and evidence are as they
# were, and follow DDL.  From an older server, where there is one; else between
# two clusters of the same version: what happens in binary-upgrade mode is the
# same.  The extension may become a newer one, too.
#
# The older server is the one that OWNERSHIP_OLD_PG_CONFIG names, or the oldest
# in /usr/lib/postgresql.  The extension is built and installed privately for
# it; a server that can look for extensions nowhere else gets it installed.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Catalog;
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir();

# What a pg_config tells, and the number of its version; undef, if it does not work.
sub config
{
	my ($pg_config, $what) = @_;
	my $told = `'$pg_config' --$what 2>/dev/null`;
	chomp $told;
	return $told;
}
sub version { return config($_[0], 'version') =~ /^PostgreSQL (\d+)/ ? $1 : undef }

my $probe = PostgreSQL::Test::Cluster->new('probe');
my $new_version = version($probe->config_data('--bindir') . '/pg_config');
my $old_config = $ENV{OWNERSHIP_OLD_PG_CONFIG};
if (defined $old_config)
{
	my $version = version($old_config) // die("OWNERSHIP_OLD_PG_CONFIG=$old_config tells no version");
	die("$old_config is of PostgreSQL $version, which is not older than $new_version") if $version >= $new_version;
}
else
{
	($old_config) = sort { version($a) <=> version($b) }
	  grep { (version($_) // 0) >= 15 && version($_) < $new_version && -e config($_, 'includedir-server') . '/postgres.h' }
	  glob('/usr/lib/postgresql/*/bin/pg_config');
}

# From 18 on a server finds extensions elsewhere by extension_control_path, but
# pg_upgrade looks for libraries in $libdir only, which must not be another
# than the one that is preloaded.
my $installed = $probe->config_data('--pkglibdir') . '/ownership.so';
my %new = $new_version >= 18 ? (conf => '/dev/null') : ();
if (%new && !-e $installed)
{
	diag("NOT TESTED: pg_upgrade, which looks for the library in \$libdir only; there is no $installed");
	plan(skip_all => 'the library is not in $libdir');
}

my %old = %new;
my $old_version = $new_version;
if (defined $old_config)
{
	my $src = "$dir/src";
	$old_version = version($old_config);
	mkdir $src;
	system(qq{cd '$FindBin::RealBin/..' && tar -cf - --exclude='./.git' --exclude='./tmp_*' --exclude='*.o' --exclude='*.bc' } .
		qq{--exclude='*.so' --exclude=./.built-for . | tar -xf - -C '$src' --no-same-owner}) == 0
	  or die('the sources cannot be copied');
	my $made = run_log([ 'sh', '-c', 'cd "$1" && unset MAKEFLAGS MAKELEVEL && PG_CONFIG=$2 && export PG_CONFIG && . .ci/private.sh && private_setup old',
			'sh', $src, $old_config ]);
	if ($made)
	{
		%old = (install => config($old_config, 'bindir') =~ s{/bin$}{}r, conf => "$src/tmp_old/private.conf");
	}
	else
	{
		# what was asked for must be; what was found may be of no use
		fail("the extension is built and installed for PostgreSQL $old_version") if $ENV{OWNERSHIP_OLD_PG_CONFIG};
		diag("NOT TESTED: pg_upgrade from PostgreSQL $old_version, for which the extension cannot be built and installed");
		$old_version = $new_version;
	}
}
note("from PostgreSQL $old_version to $new_version");

my @tables = map { "ownership.$_" } qw(system identity domain deleted_domain field declared_access mirrored_pattern mirrored_table
  mirrored_column row_owner conflict map_history bound_role bound_table former_table former_column);
my @data = qw(article stock orders base);
sub table { return sql($_[0], 'integration', "SELECT string_agg(t::text, E'\\n' ORDER BY t::text COLLATE \"C\") FROM $_[1] t") }
my $guards = q{SELECT string_agg(format('%s %s %s', tgrelid::regclass, tgname, tgenabled), E'\n' ORDER BY tgrelid::regclass::text, tgname) FROM pg_trigger WHERE tgname LIKE 'zzzz%'};
my $events = q{SELECT string_agg(format('%s %s', evtname, evtenabled), ', ' ORDER BY evtname) FROM pg_event_trigger};

sub upgrade
{
	my ($preload_old, $preload_new, $version) = @_;
	my $what = 'preloaded ' . join ' and ', $preload_old ? 'before' : 'not before', $preload_new ? 'after' : 'not after';
	my $old = new_node("old_$preload_old$preload_new", preload => $preload_old, activity => 1, %old);
	# of what initdb does otherwise since 18
	my $new = new_node("new_$preload_old$preload_new", preload => $preload_new, activity => 1, %new,
		initdb => $new_version >= 18 && $old_version < 18 ? ['--no-data-checksums'] : []);

	sql($old, 'postgres', q{
		CREATE DATABASE integration;
		CREATE ROLE erp_app LOGIN;
		CREATE ROLE crm_app LOGIN});
	sql($old, 'integration', 'CREATE EXTENSION ownership' . ($version ? " VERSION '$version'" : ''));
	sql($old, 'integration', q{
		CREATE TABLE product (dropped int, sku text PRIMARY KEY, price numeric);
		CREATE SCHEMA land;
		CREATE TABLE land.item (id int PRIMARY KEY);
		CREATE TABLE land.load (id int PRIMARY KEY, x int);
		CREATE TABLE stock (site text PRIMARY KEY, qty int) PARTITION BY LIST (site);
		CREATE TABLE stock_a PARTITION OF stock FOR VALUES IN ('a');
		CREATE TABLE orders (id int PRIMARY KEY, status text);
		CREATE TABLE base (id int PRIMARY KEY, x int);
		CREATE TABLE child () INHERITS (base);
		CREATE FUNCTION in_cart(status text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$SELECT status = 'cart'$$;
		CREATE FOREIGN DATA WRAPPER nothing;
		CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;
		CREATE FOREIGN TABLE far (id int, x int) SERVER nowhere;
		SELECT ownership.add_system('erp', 'erp', role => 'erp_app'), ownership.add_system('crm', 'crm', role => 'crm_app');
		ALTER TABLE product DROP dropped;
		SELECT ownership.assign('product', NULL, 'erp', policy => 'keep'), ownership.assign('stock', NULL, 'erp'),
			ownership.assign('orders', NULL, 'erp'), ownership.assign('base', NULL, 'erp'), ownership.assign('far', NULL, 'erp'),
			ownership.add_tables('land.*', source => 'erp', readers => '{crm}');
		SELECT ownership.assign_rows('orders', '{status}', 'crm', $$public.in_cart(status)$$);
		UPDATE ownership.domain SET note = 'ours' WHERE name = 'price';
		DELETE FROM ownership.domain WHERE name = 'loyalty';
		CREATE SUBSCRIPTION hub_crm CONNECTION 'host=/nowhere' PUBLICATION p WITH (connect = false, slot_name = NONE);
		SELECT ownership.identify('crm', subscription => 'hub_crm');
		CREATE TABLE land.late (id int PRIMARY KEY);
		ALTER TABLE product RENAME TO article;
		-- a load's swap, half done, of a table and of a column
		ALTER TABLE land.load RENAME TO load_old;
		ALTER TABLE base RENAME x TO x_old;
		-- left so
		ALTER TABLE land.item DISABLE TRIGGER zzzz_ownership_judge;
		SET ownership.system = 'erp';
		INSERT INTO article VALUES ('A', 1);
		INSERT INTO stock VALUES ('a', 1);
		INSERT INTO orders VALUES (1, NULL);
		INSERT INTO base VALUES (1, 1);
		SET ownership.system = 'crm';
		UPDATE article SET price = 9;
		SET ownership.enforcement = observe;
		UPDATE orders SET status = 'cart';
		GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC});

	my %before = map { $_ => table($old, $_) } @tables, @data;
	my $guarded = sql($old, 'integration', $guards);
	my $last = sql($old, 'integration', 'SELECT max(id) FROM ownership.conflict');
	is($last, 2, "$what: there is evidence");
	is(sql($old, 'integration', 'SELECT count(*) > 0 FROM ownership.former_table'), 't', "$what: something is in suspense");
	like($guarded, qr/^land\.item zzzz_ownership_judge D$/m, "$what: a trigger is disabled");

	$old->stop;
	$new->stop;
	chdir PostgreSQL::Test::Utils::tempdir();
	my ($old_bin, $new_bin) = map { $_->config_data('--bindir') } $old, $new;
	command_ok([ "$new_bin/pg_upgrade", '--no-sync', '-d', $old->data_dir, '-D', $new->data_dir, '-b', $old_bin, '-B', $new_bin,
			'-s', $new->host, '-p', $old->port, '-P', $new->port ], "$what: pg_upgrade")
	  or diag(map { slurp_file($_) } glob($new->data_dir . '/pg_upgrade_output.d/*/loadable_libraries.txt'));
	$new->start;

	is(table($new, $_), $before{$_}, "$what: $_ is the same") foreach sort keys %before;
	is(sql($new, 'integration', $guards), $guarded, "$what: the guard, too");
	is(sql($new, 'integration', $events), 'ownership_drop A, ownership_end A, ownership_start A', "$what: the event triggers are armed");
	sql($new, 'postgres', 'CREATE DATABASE fresh');
	sql($new, 'fresh', 'CREATE EXTENSION ownership');
	if ($version)
	{
		is(sql($new, 'integration', q{SELECT extversion FROM pg_extension WHERE extname = 'ownership'}), $version, "$what: its objects are still of $version");
		sql($new, 'integration', 'ALTER EXTENSION ownership UPDATE');
	}
	# views are as pg_dump prints them, which is not always as they are printed here
	my @different = grep { !/: (?:view|rule):\n/ } differences(extension_catalog($new, 'fresh'), extension_catalog($new, 'integration'), 'fresh', 'upgraded');
	is(scalar @different, 0, "$what: the extension is as it would be made here") or diag(join "\n", @different);

	is(psql_as($new, 'integration', 'crm_app', 'UPDATE article SET price = 5 RETURNING price'), '1', "$what: the guard holds");
	like(error_as($new, 'integration', 'crm_app', 'UPDATE stock_a SET qty = 5'), qr/ERROR:  42501/, "$what: in partitions");
	like(error_as($new, 'integration', 'crm_app', 'UPDATE base SET x_old = 5'), qr/ERROR:  42501/, "$what: of a renamed column");
	like(error_as($new, 'integration', 'erp_app', q{UPDATE orders SET status = 'x'}), qr/ERROR:  42501: system "erp"/, "$what: row owners hold");
	is(psql_as($new, 'integration', 'crm_app', q{UPDATE orders SET status = 'paid' RETURNING status}), 'paid', "$what: for both");
	is(sql($new, 'integration', "SELECT min(id) FROM ownership.conflict WHERE id > $last"), $last + 1, "$what: evidence goes on with new ids");
	is(sql($new, 'integration', q{SELECT relation, detail FROM ownership.risks WHERE risk = 'unguarded' AND relation <> 'far'}),
		'land.item|The guard of land.item has a gap: zzzz_ownership_judge of land.item is not armed.', "$what: risks know what was disabled");
	sql($new, 'integration', q{SELECT ownership.guard('land.item')});

	# triggers for TRUNCATE, which foreign tables have from 16 on
	my $far = q{SELECT guarded FROM ownership.guards WHERE relation = 'far'};
	is(sql($new, 'integration', $far), $old_version < 16 && $new_version >= 16 ? 'f' : 't', "$what: a foreign table");
	sql($new, 'integration', q{SELECT ownership.guard('far')});
	is(sql($new, 'integration', $far), 't', "$what: which guard() guards");

	my (undef, undef, $stderr) = $new->psql('integration', q{
		ALTER TABLE article RENAME TO product;
		ALTER TABLE product RENAME price TO cost;
		CREATE TABLE stock_b PARTITION OF stock FOR VALUES IN ('b');
		CREATE TABLE land.later (id int PRIMARY KEY);
		-- the swaps are done
		CREATE TABLE land.load (id int PRIMARY KEY, x int);
		DROP TABLE land.load_old;
		ALTER TABLE base ADD x int;
		ALTER TABLE base DROP x_old});
	is(join("\n", map { s/^psql:\S+ //r } grep { /(?:ERROR|WARNING):/ } split /\n/, $stderr),
		qq{WARNING:  table "land.load" gets the same ownership map as table "land.load_old"\nWARNING:  column "x" of table "base" is not on the ownership map},
		"$what: DDL goes through");
	is(psql_as($new, 'integration', 'crm_app', 'UPDATE product SET cost = 5 RETURNING cost'), '1', "$what: the map follows");
	like(error_as($new, 'integration', 'crm_app', 'UPDATE base SET x = 5'), qr/ERROR:  42501/, "$what: to the column that took the name");
	is(sql($new, 'integration', q{SELECT string_agg(relation, ', ' ORDER BY relation) FROM ownership.guards WHERE guarded AND relation <> 'far'}),
		'base, land.item, land.late, land.later, land.load, orders, product, stock', "$what: and takes in what is new");
	sql($new, 'integration', 'ALTER SUBSCRIPTION hub_crm RENAME TO hub_crm2');
	is(sql($new, 'integration', q{SELECT name FROM ownership.identity WHERE kind = 'subscription'}), 'hub_crm2', "$what: subscriptions, too");
	sql($new, 'integration', 'SELECT ownership.flush()') if $preload_new;
	sql($new, 'integration', 'DROP EXTENSION ownership');
	is(sql($new, 'integration', $guards), '', "$what: dropped, nothing is guarded");
	$new->stop;
}

upgrade(0, 0);
# and to a newer version of the extension
upgrade(1, 1, '0.1.0');
if ($old_version < $new_version)
{
	upgrade(1, 0);
	upgrade(0, 1);
}
done_testing();
