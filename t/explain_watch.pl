# The files of examples/monitoring: Prometheus's own tool checks and tests the alerts, and the two
# exporters of Debian scrape a real hub with them.  Each row of the view metrics is there, with
# its value, under its documented name.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use HTTP::Tiny;
use IPC::Run;
use Ownership;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $files = "$FindBin::RealBin/../examples/monitoring";

# program(NAME): where it is; says so if it is not there
sub program
{
	my ($name) = @_;
	my ($path) = grep { -x } map { "$_/$name" } grep { $_ ne '' } $ENV{OWNERSHIP_MONITORING} // '', split(/:/, $ENV{PATH});
	diag("NOT TESTED: examples/monitoring with $name, which is not installed (.ci/install-deps optional)") if !$path;
	return $path;
}

#
# The alerts
#
SKIP:
{
	my $promtool = program('promtool') or skip 'no promtool', 4;
	foreach my $command ([ 'check', 'rules', "$files/alerts.yml" ], [ 'test', 'rules', "$files/alerts_test.yml" ], [ 'check', 'config', "$files/prometheus.yml" ])
	{
		my $output = '';
		ok(IPC::Run::run([ $promtool, @$command ], '>&', \$output), "promtool @$command[0, 1]") or diag($output);
	}
	my %rules = map { $_ => 1 } slurp_file("$files/alerts.yml") =~ /^ *- alert: (\w+)/mg;
	my %tested = map { $_ => 1 } slurp_file("$files/alerts_test.yml") =~ /(Ownership\w+)/g;
	is(join(' ', grep { !$tested{$_} } sort keys %rules), '', 'each alert is tested');
}

#
# A hub in which something has happened
#
my $hub = new_node('hub', preload => 1, activity => 1, extra => "ownership.flush_interval = '50ms'\n");
sub super { return sql($hub, 'postgres', $_[0]) }
super(q{
	CREATE ROLE erp LOGIN; CREATE ROLE crm LOGIN; CREATE ROLE monitor LOGIN;
	CREATE EXTENSION ownership;
	SELECT ownership.add_system('erp', 'erp', role => 'erp'), ownership.add_system('crm\2', 'crm', role => 'crm');
	CREATE TABLE product (sku text PRIMARY KEY, price int, title text, memo text);
	INSERT INTO product VALUES ('A', 1, 't');
	GRANT ALL ON product TO erp, crm;
	SELECT ownership.assign('product', '{price}', 'erp'), ownership.assign('product', '{sku,title}', 'erp', policy => 'keep'), ownership.assign('product', '{memo}', 'crm\2')});
psql_as($hub, 'postgres', 'erp', 'UPDATE product SET price = 2; SELECT * FROM product');
$hub->psql('postgres', 'UPDATE product SET price = 3; UPDATE product SET title = NULL', extra_params => [ '-U', 'crm' ], on_error_stop => 0) foreach 1 .. 3;
psql_as($hub, 'postgres', 'crm', q{INSERT INTO product (sku, memo) VALUES ('B', 'waits')});
wait_for_exits($hub, 'postgres');
super('SELECT ownership.flush()');
# the worker ends when it is idle; evidence stays as it is
wait_for($hub, 'postgres', q{SELECT value = 0 FROM ownership.metrics WHERE name = 'worker_running'});

# what an exporter must say: by name, system and detail
my $expected = sub {
	return map { my ($name, $system, $detail, $value) = split /\t/, $_, -1; ("$name|$system|$detail" => $value) }
	  split /\n/, super(q{SELECT concat_ws(E'\t', name, system, detail, value) FROM ownership.metrics});
};
cmp_ok(scalar(() = $expected->()), '>', 80, 'metrics');
is({ $expected->() }->{'conflicts_total|crm\2|rejected'}, 3, 'one of them');

# scraped(TEXT): the metrics of the extension in what an exporter says
sub scraped
{
	my ($text) = @_;
	my %found;
	while ($text =~ /^(?:sql_)?ownership_(\w+?)(?:\{(.*)\})? (\S+)$/mg)
	{
		my ($name, $labels, $value) = ($1, $2 // '', $3 + 0);
		my %label = map { s/\\(.)/$1/gr } $labels =~ /(\w+)="((?:[^"\\]|\\.)*)"/g;
		my ($detail) = grep { defined } @label{qw(outcome table state)};
		$found{ join('|', $name, $label{system} // '', $detail // '') } = $value;
	}
	return \%found;
}

# exporter(NAME, PORT, ENVIRONMENT, ARGUMENTS): runs it and compares what it says
sub exporter
{
	my ($name, $port, $env, @arguments) = @_;
	my $path = program($name) or return;
	my $log = "$PostgreSQL::Test::Utils::log_path/$name.log";
	local %ENV = (%ENV, %$env);
	delete @ENV{qw(PGHOST PGPORT PGUSER PGDATABASE PGAPPNAME)};
	my $process = IPC::Run::start([ $path, @arguments ], '<', \undef, '>&', $log);
	my %want = $expected->();
	my $end = time() + $PostgreSQL::Test::Utils::timeout_default;
	my ($got, $text) = ({}, '');
	while (time() < $end)
	{
		my $answer = HTTP::Tiny->new(timeout => 10)->get("http://127.0.0.1:$port/metrics");
		$text = $answer->{content} // '';
		$got = scraped($text) if $answer->{success};
		last if keys %$got >= keys %want;
		usleep(100_000);
	}
	# the time of a backend's last use of statistics may differ by a scrape
	is(join("\n", map { "$_ $got->{$_}" } sort keys %$got), join("\n", map { "$_ " . ($want{$_} + 0) } sort keys %want),
		"$name: each metric, with its value") or diag(-e $log ? slurp_file($log) =~ s/.*(?=(?:\n.*){20}\z)//sr : '');
	my %counter = map { $_ => 1 } $text =~ /^# TYPE ownership_(\w+) counter$/mg;
	is(join(' ', grep { !$counter{$_} } sort { $a cmp $b } keys %{ { map { /^(\w+_total)\|/ ? ($1 => 1) : () } keys %want } }), '', "$name: counters are counters")
	  if $name =~ /postgres/;
	$process->kill_kill;
	return;
}

my $url = 'postgres://monitor@/postgres?host=' . $hub->host . '&port=' . $hub->port . '&sslmode=disable';
my $dir = PostgreSQL::Test::Utils::tempdir();
my $port = PostgreSQL::Test::Cluster::get_free_port();
exporter('prometheus-postgres-exporter', $port, { DATA_SOURCE_NAME => $url },
	"--web.listen-address=127.0.0.1:$port", "--extend.query-path=$files/postgres_exporter.yml", '--disable-default-metrics', '--disable-settings-metrics');

my $config = slurp_file("$files/sql_exporter.yml");
ok($config =~ s{"postgres://[^"]*"}{"$url"}, 'an address to replace');
append_to_file("$dir/sql_exporter.yml", $config);
$port = PostgreSQL::Test::Cluster::get_free_port();
exporter('prometheus-sql-exporter', $port, {}, "-web.listen-address=127.0.0.1:$port", "-config.file=$dir/sql_exporter.yml");

$hub->stop;
done_testing();
