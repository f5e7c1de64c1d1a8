# One psql for each server of a test: to start a program for each statement would take most
# of a test's time.  Each call has a session of its own, as with a program of its own.
package Psql;

use strict;
use warnings;

use Errno;
use IPC::Open3;
use PostgreSQL::Test::Utils;

# by process (a test may fork), server and the environment that psql begins with
my %running;

# run(NODE, DATABASE, SQL, ROLE): what the SQL returns, unaligned.  Dies on an error, with psql's
# messages.  The SQL has no commands of psql: they could change what the next call finds.
sub run
{
	my ($node, $db, $sql, $role) = @_;
	my %env = $node->_get_env();
	my $key = join("\0", $$, map { "$_=" . ($env{$_} // '') } sort grep { /^PG/ } keys %env);
	my $psql = $running{$key} //= start($node, \%env);
	my $to = $node->connstr($db) . ($role ? " user=$role" : '');
	my $messages = '';

	open(my $script, '>', $psql->{script}) or die "$psql->{script}: $!";
	print $script $sql;
	close($script) or die "$psql->{script}: $!";

	# psql always has a session: between two calls one in no database, which is no client backend
	local $SIG{PIPE} = 'IGNORE';
	syswrite($psql->{in}, join("\n",
		'\connect ' . quoted($to), "\\o $psql->{result}", "\\i $psql->{script}", '\o',
		'\connect ' . quoted($node->connstr('postgres') . ' replication=true'), '\warn Psql.pm: done', ''));
	while ($messages !~ /^Psql\.pm: done\n\z/m)
	{
		my $n = sysread($psql->{err}, $messages, 65536, length $messages);
		next if $n || (!defined $n && $!{EINTR});
		# psql has ended by itself, which it does at an error
		waitpid($psql->{pid}, 0);
		delete $running{$key};
		die "error running SQL: '$messages'\nwith sql '$sql'\n";
	}
	$messages =~ s/Psql\.pm: done\n\z//;
	print "#### Begin standard error\n$messages\n#### End standard error\n" if $messages ne '';
	my $result = slurp_file($psql->{result});
	chomp $result;
	return $result;
}

sub start
{
	my ($node, $env) = @_;
	my $dir = PostgreSQL::Test::Utils::tempdir('psql');
	my %psql = (script => "$dir/script", result => "$dir/result");

	local %ENV = %$env;
	# what is no result, messages and errors, comes by one pipe
	$psql{pid} = open3($psql{in}, $psql{err}, undef, $node->installed_command('psql'), '-XAtq', '-v', 'ON_ERROR_STOP=1', '-f', '-');
	return \%psql;
}

# quoted(TEXT): as one argument of a command of psql
sub quoted
{
	my ($text) = @_;
	return "'" . ($text =~ s/([\\'])/\\$1/gr) . "'";
}

END
{
	# the test's status is not that of what it closes
	local $?;
	for my $psql (map { $running{$_} } grep { /^$$\0/ } keys %running)
	{
		# a test may end while a statement of it waits
		kill('TERM', $psql->{pid});
		waitpid($psql->{pid}, 0);
	}
}

1;
