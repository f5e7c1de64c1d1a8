# Random statements against an independent model of the contract (t/lib/Oracle.pm).
#
# OWNERSHIP_FUZZ_SECONDS and OWNERSHIP_FUZZ_SEED: "make fuzz" sets them.
use strict;
use warnings;

use Ownership;
use Oracle;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seconds = $ENV{OWNERSHIP_FUZZ_SECONDS};
my $seed = $ENV{OWNERSHIP_FUZZ_SEED} // 1;
my $node = new_node('oracle', preload => 1);
my $statements = 0;
my $rounds = 0;
my $end = time() + ($seconds // 0);

sql($node, 'postgres', "CREATE ROLE fz_$_") for qw(s1 s2 s3 member nobody steward);
sql($node, 'postgres', 'GRANT fz_s1 TO fz_member');

# what make check runs is always the same; a campaign takes its time
while (defined $seconds ? time() < $end : $rounds < 25)
{
	my $round = Oracle::Round->new($seed + $rounds);
	my $diff = $round->run($node);

	$rounds++;
	$statements += @{ $round->{statements} };
	next if !defined $diff;
	my $seed = $round->{seed};
	fail("seed $seed");
	diag("OWNERSHIP_FUZZ_SEED=$seed: $diff");
	diag($round->smallest($node));
	last;
}
cmp_ok($rounds, '>', 0, 'there were rounds');
note("$statements statements in $rounds rounds, from seed $seed");
diag("$statements statements in $rounds rounds, from seed $seed") if defined $seconds;
done_testing();
