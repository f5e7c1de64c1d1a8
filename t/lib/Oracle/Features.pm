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
	# a BEFORE INSERT trigger that lets some rows not happen, also on their way
	# from another partition
	suppress => { weight => 0.5, kinds => 'rcR' },
	# MERGE that moves rows and inserts others; CTEs with several writes
	combined => { weight => 0.5, kinds => 'r' },
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
	if ($self->{with}{suppress})
	{
		my ($n, $late) = (int(rand(3)), chance(0.4));
		my ($sql, $holds) = @{ pick(
			[ "NEW.id % 3 = $n", sub { $_[0]{id} % 3 == $n } ],
			[ "NEW.k = $n", sub { defined $_[0]{k} && $_[0]{k} == $n } ],
			[ 'true', sub { 1 } ]) };
		# mostly in one partition
		my @tables = map { $_->[0] } $self->partitions;
		my $table = @tables && ($sql eq 'true' || chance(0.8)) ? pick(@tables) : undef;

		# in a worker the guard judges before a later trigger is asked
		$self->{suppress} = { sql => $sql, holds => $holds, table => $table, late => $late, always => !$late && chance(0.5) }
		  if defined $table || $sql ne 'true';
	}
	return;
}

# Does a user's trigger let a row not happen?
sub suppressed
{
	my ($self, $writer, $row) = @_;
	my $t = $self->{suppress};
	return $self->fires($t, $writer) && $self->within($row, $t->{table}) && $t->{holds}->($row);
}

sub triggers_sql
{
	my ($self) = @_;
	my $sql = '';

	$sql .= trigger_sql('a_stamp', 'BEFORE UPDATE', 'fz.t', $self->{stamp}{always}, 'NEW.stamped := coalesce(OLD.stamped, 0) + 1; RETURN NEW;')
	  if $self->{stamp};
	if (my $t = $self->{suppress})
	{
		$sql .= trigger_sql(($t->{late} ? 'zzzzz' : 'a') . '_suppress', 'BEFORE INSERT', defined $t->{table} ? "fz.t_$t->{table}" : 'fz.t',
			$t->{always}, "IF $t->{sql} THEN RETURN NULL; END IF; RETURN NEW;");
	}
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
