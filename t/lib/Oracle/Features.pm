# What a round may have besides a table, its map and statements.  Each feature
# has a weight: how many of the rounds have it.  The environment leaves some
# out, or has all rounds have others, so that what differs can be narrowed down:
#
#   OWNERSHIP_FUZZ_WITHOUT="switches stamp"    not these
#   OWNERSHIP_FUZZ_ONLY="filters"              these in every round, no others
package Oracle::Features;

use strict;
use warnings;

# The kinds of rounds that have it: r(ound), c(oncurrent), R(eplicated).
our %features = (
	# partitions that do not have the defaults of the table above them, and
	# statements that name a partition
	partition_defaults => { weight => 0.5, kinds => 'rcR' },
	# row filters that name their table, or hand its row to a function
	filters => { weight => 0.5, kinds => 'rcR' },
);

# choose(LETTER)   the features of a round of that kind, as a hash
sub choose
{
	my ($kind) = @_;
	my %only = map { $_ => 1 } split(' ', $ENV{OWNERSHIP_FUZZ_ONLY} // '');
	my %without = map { $_ => 1 } split(' ', $ENV{OWNERSHIP_FUZZ_WITHOUT} // '');
	my %with;

	for my $name (keys %only, keys %without)
	{
		next if $features{$name};
		die "there is no feature \"$name\"; there are " . join(', ', sort keys %features);
	}
	for my $name (sort keys %features)
	{
		# the same seed draws the same, whatever is left out
		my $drawn = rand() < $features{$name}{weight};

		next if $features{$name}{kinds} !~ /$kind/;
		$with{$name} = 1 if !$without{$name} && (%only ? $only{$name} : $drawn);
	}
	return \%with;
}

1;
