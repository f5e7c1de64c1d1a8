# What applications get through the drivers that they use: the programs of
# doc/how-to/messages-to-applications.md, as they stand there, run against a server and
# print what the page says.  A driver that is not installed is left out, and the
# test says so; ".ci/install-deps drivers" installs them.
use strict;
use warnings;
use Cwd qw(abs_path);
use FindBin;
use IPC::Run;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $page = slurp_file("$FindBin::RealBin/../doc/how-to/messages-to-applications.md");
my ($setup) = $page =~ /^<!-- setup\n(.*?)^-->$/ms or die 'the page has no setup';

# code(HEADING): the program below that heading, and what the page says that it prints
sub code
{
	my ($heading) = @_;
	my ($section) = $page =~ /^### \Q$heading\E\n(.*?)(?=^##|\z)/ms or die "the page has no $heading";
	my ($program, $prints) = $section =~ /^```\w+\n(.*?)^```\n(?:```text\n(.*?)^```\n)?/ms or die "the page has no code for $heading";
	return ($program, $prints);
}

my @covered = $page =~ /^### (.*)$/mg;
is(join(', ', @covered), 'node-postgres, Sequelize, psycopg 3, psycopg2, SQLAlchemy, JDBC, pgloader', 'the drivers of the page');

# JDBC speaks TCP only; preloaded, so that the first COPY of a session reports at its end, and not at its transaction's
my $node = new_node('hub', preload => 1, extra => "listen_addresses = '127.0.0.1'\n");
sub super { return sql($node, 'postgres', $_[0]) }
super($setup);
my $url = 'postgresql://crm_app@127.0.0.1:' . $node->port . '/postgres';
my $work = PostgreSQL::Test::Utils::tempdir();

# the packages of npm, where .ci/install-deps or "make check" has put them; and Debian's
my @modules = grep { -d } $ENV{OWNERSHIP_NODE_MODULES} || (), abs_path("$FindBin::RealBin/..") . '/tmp_tools/node_modules', '/usr/share/nodejs';
my @jars = grep { -r } map { "/usr/share/java/$_.jar" } qw(postgresql scram-client scram-common stringprep saslprep);

# run(PROGRAM ...): whether it succeeds, what it prints, and its errors
sub run
{
	my (@command) = @_;
	local $ENV{PGHOST} = '127.0.0.1';
	local $ENV{PGPORT} = $node->port;
	local $ENV{PGUSER} = 'crm_app';
	local $ENV{PGDATABASE} = 'postgres';
	local $ENV{DATABASE_URL} = $url;
	local $ENV{NODE_PATH} = join ':', @modules;
	local $ENV{PYTHONDONTWRITEBYTECODE} = 1;
	delete local @ENV{qw(PGAPPNAME)};
	my ($out, $err) = ('', '');
	my $ok = eval { IPC::Run::run(\@command, '<', \undef, '>', \$out, '2>', \$err, init => sub { chdir $work or die $! }, IPC::Run::timeout(120)) };
	return ($ok, $out, $err . ($@ // ''));
}

# the first of these commands that prints something; undef: none does
sub first_with
{
	foreach my $command (@_)
	{
		my ($ok, $out) = run(@$command);
		chomp $out;
		return ($command, $out) if $ok && $out ne '';
	}
	return;
}

sub node_with { my ($package) = @_; return first_with(map { [ $_, '-e', "process.stdout.write(require('$package/package.json').version)" ] } qw(node nodejs)); }
sub python_with { my ($module) = @_; return first_with(map { [ $_, '-c', "import $module; print($module.__version__)" ] } qw(/usr/bin/python3 python3)); }
sub java_with { return @jars ? first_with([ 'sh', '-c', 'command -v javac' ]) : () }

sub reset_row
{
	return super(q{SET ownership.enforcement = off; DELETE FROM product; INSERT INTO product VALUES ('A1', 12.50, 'Chair', NULL)});
}

# driver(HEADING, FILE, COMMAND ...): the page's program does what the page says
sub driver
{
	my ($heading, $file, @command) = @_;
	my ($program, $prints) = code($heading);
	append_to_file("$work/$file", $program);

	reset_row();
	my ($ok, $out, $err) = run(@command);
	is($out, $prints, "$heading: what it prints");
	ok($ok, "$heading: it succeeds") or diag($err);
	is(super('TABLE product'), 'A1|12.50|Chair|done', "$heading: what is stored, also after a keep in the same transaction");

	# the same SQLSTATE without the constraint is somebody else's error
	reset_row();
	super('REVOKE UPDATE ON product FROM crm_app; GRANT UPDATE (price, note) ON product TO crm_app');
	($ok, $out, $err) = run(@command);
	super('GRANT UPDATE ON product TO crm_app');
	ok(!$ok, "$heading: a missing GRANT is another error");
	unlike($out, qr/rejected/, "$heading: and not taken for the guard's");
	like($err, qr/permission denied for (table|relation) product/, "$heading: it says so");
	return;
}

my $jdbc_url = 'jdbc:postgresql://127.0.0.1:' . $node->port . '/postgres?user=crm_app';
my @drivers = (
	[ 'node-postgres', 'with_pg.js', node_with('pg') ],
	[ 'Sequelize', 'with_sequelize.js', node_with('pg') ? node_with('sequelize') : () ],
	[ 'psycopg 3', 'with_psycopg.py', python_with('psycopg') ],
	[ 'psycopg2', 'with_psycopg2.py', python_with('psycopg2') ],
	[ 'SQLAlchemy', 'with_sqlalchemy.py', python_with('psycopg2') ? python_with('sqlalchemy') : () ],
	[ 'JDBC', 'Refused.java', java_with() ]);
foreach (@drivers)
{
	my ($heading, $file, $command, $version) = @$_;
	diag($command ? "$heading $version" : "NOT TESTED: $heading, which is not installed");
	next if !$command;
	driver($heading, $file, $heading eq 'JDBC' ? ('java', '-cp', join(':', @jars), $file, $jdbc_url) : ($command->[0], $file));
}

# pgloader: a NOTICE costs the COPY, and hiding it is the cure
{
	my ($hidden) = code('pgloader');
	my ($command, $version) = first_with([ 'pgloader', '--version' ]);
	diag($command ? 'pgloader ' . $version =~ s/\n.*//sr : 'NOT TESTED: pgloader, which is not installed');
	if ($command)
	{
		# it keeps refused rows there; by default in a directory that users share
		my @pgloader = ('pgloader', '--root-dir', "$work/refused");
		append_to_file("$work/products.csv", "B1,5,new\nB2,6,new\n");
		$hidden =~ s{postgresql://\S+}{$url} or die 'the page has no URL for pgloader';
		(my $told = $hidden) =~ s{^\s+SET client_min_messages TO 'warning'}{}m or die 'the page does not hide NOTICEs from pgloader';
		append_to_file("$work/hidden.load", $hidden);
		append_to_file("$work/told.load", $told);
		SKIP:
		{
			diag('NOT TESTED: what this pgloader does at a NOTICE'), skip('another pgloader', 2) if $version !~ /3\.6\.7/;
			reset_row();
			my (undef, $out, $err) = run(@pgloader, 'told.load');
			is(super(q{SELECT count(*) FROM product WHERE sku ~ '^B'}), '0', 'pgloader: a NOTICE, and nothing is loaded') or diag($out, $err);
			like($out . $err, qr/"public"\."product" +0 +2 /, 'pgloader: which its summary does not tell');
		}
		reset_row();
		my (undef, $out, $err) = run(@pgloader, 'hidden.load');
		is(super(q{SELECT * FROM product WHERE sku ~ '^B' ORDER BY 1}), "B1|||new\nB2|||new", 'pgloader: without it, all is loaded') or diag($out, $err);
		is(super(q{SELECT proposed->>'price' FROM ownership.conflict WHERE row_key->>'sku' = 'B1' AND outcome = 'kept'}), '5', 'pgloader: and what was kept out is evidence');
	}
}

$node->stop;
done_testing();
