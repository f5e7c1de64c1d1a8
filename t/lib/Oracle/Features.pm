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
	# a BEFORE UPDATE trigger that derives a column, as of "updated_at"
	stamp => { weight => 0.5, kinds => 'rcR' },
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

package Oracle::Round;

#
# Triggers of users
#

# Those that are "always" fire in replication workers, too.  Names say whether
# they come before the guard's or after it.
sub make_triggers
{
	my ($self) = @_;

	if ($self->{with}{stamp})
	{
		$self->{stamp} = { always => chance(0.5) };
		$self->add_column({ name => 'stamped', type => 'int', default => '0', derived => 1, values => [ '0', '5' ] });
	}
	return;
}

sub triggers_sql
{
	my ($self) = @_;
	my $sql = '';

	$sql .= trigger_sql('a_stamp', 'BEFORE UPDATE', 'fz.t', $self->{stamp}{always}, 'NEW.stamped := coalesce(OLD.stamped, 0) + 1; RETURN NEW;')
	  if $self->{stamp};
	return $sql;
}

sub trigger_sql
{
	my ($name, $events, $table, $always, $body) = @_;
	return
		"CREATE FUNCTION fz.$name() RETURNS trigger LANGUAGE plpgsql AS \$f\$BEGIN $body END\$f\$;\n"
	  . "CREATE TRIGGER $name $events ON $table FOR EACH ROW EXECUTE FUNCTION fz.$name();\n"
	  . ($always ? "ALTER TABLE $table ENABLE ALWAYS TRIGGER $name;\n" : '');
}

# Does a trigger fire for a statement?
sub fires
{
	my ($self, $trigger, $writer) = @_;
	return $trigger && ($trigger->{always} || !$writer->{worker});
}

1;
