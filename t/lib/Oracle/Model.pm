# The contract, as the documentation describes it: what a statement does to the rows
# of fz.t, with which error it ends, and the evidence that it leaves.
#
# A row is a hash by column; {rid} identifies it also when its key changes,
# {version} identifies its versions.
package Oracle::Model;

use strict;
use warnings;

use Oracle::Waiting;
use Oracle::Pins;
use Oracle::Decisions;

my $serial = 0;

sub new
{
	my ($class, $round) = @_;
	my $self = bless { round => $round, rows => {}, memory => {}, map => {}, saved => [], waiting => {}, made => [], pins => {}, overridden => {}, ended => {}, log => [] }, $class;
	$self->{map}{ $_->{name} } = { owner => $_->{owner}, policy => $_->{policy}, on_blank => $_->{on_blank}, history => $_->{history} } for @{ $round->{columns} };
	$self->{side} = Oracle::Model->new($round->{side}{round}) if $round->{side};
	$self->begin_transaction;
	return $self;
}

sub copy_state
{
	my ($self) = @_;
	my %rows = map { $_ => { %{ $self->{rows}{$_} } } } keys %{ $self->{rows} };
	my %map = map { $_ => { %{ $self->{map}{$_} } } } keys %{ $self->{map} };
	return { rows => \%rows, memory => { %{ $self->{memory} } }, map => \%map, waiting => { %{ $self->{waiting} } }, (map { $_ => { %{ $self->{$_} } } } qw(pins overridden ended)), log => [ @{ $self->{log} } ], side => $self->{side} && $self->{side}->copy_state };
}

sub restore
{
	my ($self, $state) = @_;
	$self->{rows} = $state->{rows};
	$self->{memory} = $state->{memory};
	$self->{map} = $state->{map};
	$self->{$_} = $state->{$_} for qw(waiting pins overridden ended log);
	$self->{side}->restore($state->{side}) if $self->{side};
	return;
}

sub dump
{
	my ($self) = @_;
	my $r = $self->{round};
	my @keys = @{ $r->{keys} };
	my $out = '';

	for my $row (sort { $a->{id} <=> $b->{id} || ($a->{r} // '') cmp($b->{r} // '') } values %{ $self->{rows} })
	{
		$out .= join('|', map { $row->{ $_->{name} } // '\\N' } @{ $r->{columns} }) . "\n";
	}
	if ($self->{side})
	{
		my $side = $self->{side}{rows};
		$out .= join('|', 'l', map { $_ // '\N' } @{ $side->{$_} }{qw(id a b)}) . "\n" for sort keys %$side;
	}
	return $out;
}

# Does a value differ from another?  Numerics by number, all else by image.
sub changed
{
	my ($c, $a, $b) = @_;
	return defined $a != defined $b if !defined $a || !defined $b;
	return $c->{numeric} ? $a != $b : $a ne $b;
}

# Is a value blank?
sub blank
{
	my ($c, $value) = @_;
	return 1 if !defined $value;
	return $value =~ /^\s*\z/ if $c->{type} eq 'text';
	return $value eq '{}' if $c->{type} =~ /\[\]\z/;
	return $value =~ /^(null|\{\}|\[\])\z/ if $c->{type} eq 'jsonb';
	return 0;
}

# The outcome of a change to a blank, by every writer; undef: it is no conflict.
sub blank_verdict
{
	my ($self, $s, $c, $stored, $new) = @_;
	my $on_blank = $self->{map}{ $c->{name} }{on_blank};
	my $writer = $self->writer($s);

	return undef if $writer->{relay} || !defined $on_blank || defined $self->{round}{source} || $s->{enforcement} eq 'off' || blank($c, $stored) || !blank($c, $new);
	return 'overridden' if $writer->{steward};
	return 'observed' if $s->{enforcement} eq 'observe' || $on_blank eq 'observe';
	return 'kept' if $on_blank eq 'keep' || (($writer->{worker} || $writer->{in_worker}) && !$writer->{strict});
	return 'rejected';
}

my %strictness = (observed => 1, filled => 2, overridden => 3, kept => 4, rejected => 5);

# The system of record of a column in a row; undef if there is none.
sub owner
{
	my ($self, $c, $row) = @_;
	for my $rule (@{ $c->{rules} // [] })
	{
		return $rule->[2] if $row && $rule->[1]->($row);
	}
	return $self->{map}{ $c->{name} }{owner};
}

# The writer: role, setting, system, steward; of a feed, also worker and strict.
sub writer
{
	my ($self, $s) = @_;
	return $s->{writer} if ref $s->{writer};
	return $self->{round}{writers}{ $s->{writer} };
}

# Is the whole value blank in a row, in all columns of a group?
sub stored_blank
{
	my ($self, $c, $row) = @_;
	return !grep { !blank($_, $row->{ $_->{name} }) } $self->{round}->one_value($c);
}

# Where a column is kept, all are that are one value with it and that change.
sub join_groups
{
	my ($self, $verdicts, $final, $stored, $new, @set) = @_;
	my %kept = map { $_->{name} => 1 } map { $self->{round}->one_value($_) } grep { ($verdicts->{ $_->{name} } // '') eq 'kept' } @set;

	for my $c (grep { $kept{ $_->{name} } && changed($_, $stored->{ $_->{name} }, $new->{ $_->{name} }) } @set)
	{
		$verdicts->{ $c->{name} } = 'kept' if ($verdicts->{ $c->{name} } // '') ne 'rejected';
		$final->{ $c->{name} } = $stored->{ $c->{name} };
	}
	return;
}

# The outcome of a write by a writer that is not the owner.
sub verdict
{
	my ($self, $s, $operation, $c, $stored) = @_;
	my $policy = $self->{map}{ $c->{name} }{policy} // $self->{round}{default_policy};
	my $writer = $self->writer($s);

	return 'overridden' if $writer->{steward};
	return 'observed' if $s->{enforcement} eq 'observe';
	return 'observed' if $policy eq 'observe';
	# an error would stop the stream
	$policy = 'keep' if $policy eq 'reject' && ($writer->{worker} || $writer->{in_worker}) && !$writer->{strict} && $operation ne 'TRUNCATE';
	return 'rejected' if $policy eq 'reject';
	return 'filled' if $policy eq 'create_only' && $operation eq 'INSERT';
	return 'filled' if $policy eq 'fill' && ($operation eq 'INSERT' || ($operation eq 'UPDATE' && $self->stored_blank($c, $stored)));
	return 'rejected' if $operation eq 'TRUNCATE';
	return 'discarded' if $operation eq 'DELETE' || ($operation eq 'INSERT' && $c->{key});
	return 'kept';
}

# Does another system than the writer own the column?
sub foreign
{
	my ($self, $s, $c, $row) = @_;
	my $system = $self->writer($s)->{system};
	my $owner = $self->owner($c, $row);

	return 0 if $s->{enforcement} eq 'off' || !defined $owner || $self->writer($s)->{relay};
	return 0 if defined $system && ($system eq $owner || ($self->{round}{source} // '') eq $system);
	return 1;
}

# Values as evidence of writes that went through has them: those of sensitive fields are left out.
sub hidden
{
	my ($self, $values) = @_;
	my %secret = map { $_->{name} => 1 } grep { $_->{sensitive} } @{ $self->{round}{columns} };

	return $values && { map { $_ => $secret{$_} ? { sensitive => JSON::PP::true } : $values->{$_} } keys %$values };
}

sub evidence
{
	my ($self, $s, $operation, $outcome, $columns, $key, $stored, $proposed) = @_;
	my $writer = $self->writer($s);

	($stored, $proposed) = ($self->hidden($stored), $self->hidden($proposed)) if $outcome =~ /^(observed|filled|overridden)$/;
	my $row_key = $key && { map { $_->{name} => $key->{ $_->{name} } } $outcome eq 'discarded' ? $self->said_keys($s) : @{ $self->{round}{keys} } };

	$self->overrides($row_key, $columns, $stored, $proposed) if $operation eq 'UPDATE' && $outcome eq 'overridden' && $self->{round}{with}{pins};
	$self->log_evidence($s, $operation, $outcome, $columns, $row_key, $stored, $proposed);
	push @{ $self->{evidence} }, [ $operation, $writer->{system}, $writer->{role}, $outcome, $columns, $row_key, $stored, $proposed, $self->{round}{table} // 't' ];
	return;
}

# The key columns in evidence about a row that was not created: those that the
# statement named.
sub said_keys
{
	my ($self, $s) = @_;
	return grep { !($s->{start} && $_->{name} eq 'id') } @{ $self->{round}{keys} };
}

# As whom refused values of the writer are recognized.
sub writer_name
{
	my ($self, $s) = @_;
	my $writer = $self->writer($s);
	return $writer->{system} // ($writer->{worker} || $writer->{in_worker} ? 'feed' : "role $writer->{role}");
}

# The guard records a refused value once: returns the columns whose values are not
# recorded yet.  A row that was refused as a whole is recorded as a whole, and
# compared with the latest evidence of it, without values that the database made.
sub unrecorded
{
	my ($self, $s, $what, $key, $proposed, $made, @columns) = @_;
	my $name = $self->writer_name($s);
	my @said = $what eq 'discarded INSERT' ? $self->said_keys($s) : @{ $self->{round}{keys} };
	my $at = join("\0", $what, Oracle::encode(values_of($key, map { $_->{name} } @said)), $name);
	my @fresh;

	if ($what ne 'kept')
	{
		my $value = Oracle::encode($proposed);
		my $last;

		# where the key is not whole, the proposal replaces it, whatever came between
		$at .= "\0$value" if @said < @{ $self->{round}{keys} };
		$last = $self->{memory}{$at};
		return () if $last && same_names($last->{value}, $value) && without($last->{value}, @$made) eq without($value, @$made) && !grep { !$last->{columns}{$_} } @columns;
		$self->{memory}{$at} = { value => $value, columns => { map { $_ => 1 } @columns } } if @columns;
		return @columns;
	}
	for my $c (@columns)
	{
		my $value = Oracle::encode(values_of($proposed, $c));

		push @fresh, $c if !defined $self->{memory}{"$at\0$c"} || $self->{memory}{"$at\0$c"} ne $value;
	}
	# a value in several columns is recorded whole
	my %fresh = map { $_->{name} => 1 } map { $self->{round}->one_value($self->{round}{column}{$_}) } @fresh;
	@fresh = grep { $fresh{$_} } @columns;
	$self->{memory}{"$at\0$_"} = Oracle::encode(values_of($proposed, $_)) for @fresh;
	return @fresh;
}

# Have two rows as JSON the same columns?
sub same_names
{
	my ($a, $b) = map { ref $_ ? join("\0", sort keys %$_) : '' } map { Oracle::decode($_) } @_;
	return $a eq $b;
}

# A row as JSON without some of its columns.
sub without
{
	my ($value, @columns) = @_;
	return $value if !@columns;
	my $row = Oracle::decode($value);
	delete @$row{@columns};
	return Oracle::encode($row);
}

sub values_of
{
	my ($row, @columns) = @_;
	return { map { $_ => defined $row->{$_} ? "$row->{$_}" : undef } @columns };
}

# The whole row as evidence contains it.
sub whole
{
	my ($self, $row) = @_;
	return values_of($row, map { $_->{name} } @{ $self->{round}{columns} });
}

sub allowed
{
	my ($self, $s, $operation, $key, $stored, $proposed, %verdicts) = @_;
	for my $outcome (qw(observed filled overridden))
	{
		my @columns = grep { $verdicts{$_} eq $outcome } keys %verdicts or next;
		$self->evidence($s, $operation, $outcome, \@columns, $key,
			$operation eq 'DELETE' ? $self->whole($stored) : $stored && values_of($stored, @columns),
			$proposed && values_of($proposed, @columns));
	}
	return;
}

# Does a new row with a value write the column?
sub writes
{
	my ($self, $s, $c, $value, $named) = @_;

	# a replicated INSERT does not say what it names: the guard cannot distinguish a
	# volatile default from a value; a stable one it can
	my $default = $self->{round}->default($s, $c);
	return changed($c, $value, $default->{value}) if !$default->{computed} || ($default->{computed} eq 'stable' && $s->{kind} eq 'feed');
	return $named && $s->{kind} ne 'feed';
}

sub insert
{
	my ($self, $s, $given, %opt) = @_;
	my $r = $self->{round};
	# DEFAULT is no proposed value
	my %named = map { $_->{name} => !($s->{defaults} && $s->{defaults}{ $_->{name} }) } @{ $s->{named} };
	my %row = %{ $self->new_row($s, $given) };
	my $there = $self->{rows}{ $r->key_of(\%row) };
	my %verdicts;
	my @kept;
	my $suppressed = $r->suppressed($self->writer($s), \%row);

	return if !$self->before($s, \%row);
	for my $c (@{ $r->{columns} })
	{
		my $value = $row{ $c->{name} };

		next if !$self->foreign($s, $c, \%row);
		next if !$c->{key} && !(defined $value && $self->writes($s, $c, $value, $named{ $c->{name} }));
		$verdicts{ $c->{name} } = $self->verdict($s, 'INSERT', $c);
	}
	# before the guard amends or discards an INSERT, it checks whether it will fail
	if ($there && !$opt{unprobed})
	{
		if (!$suppressed) { $self->{errors}{23505} = 1; $self->check($s, \%row); }
		return;
	}
	# a suppressed row is not judged; what was refused before it was suppressed is
	# recorded all the same.  In a statement that also moves rows, the guard rejects
	# before later triggers fire.
	my $rejected = grep { $_ eq 'rejected' } values %verdicts;
	if ($rejected && (!$suppressed || $self->{let_in}))
	{
		$self->{errors}{42501} = 1;
		$self->{errors}{23505} = 1 if $there;
		$self->check($s, \%row);
		return;
	}
	@kept = grep { $verdicts{$_} eq 'kept' } keys %verdicts;
	my $creates = (grep { $_ eq 'discarded' } values %verdicts) ? 'no' : 'yes';
	if ($self->writer($s)->{worker} && !grep { $_ eq 'discarded' } values %verdicts)
	{
		# there is no default to store: over SQL that is an error, see below
		my @stuck = grep { $r->{column}{$_}{not_null} && !defined $r->default($s, $r->{column}{$_})->{value} } @kept;
		@verdicts{@kept} = ('discarded') x @kept if @stuck;
	}
	if (my @columns = grep { $verdicts{$_} eq 'discarded' } keys %verdicts)
	{
		return if $rejected;
		my $whole = $self->whole(\%row);
		# values that the database made; a replicated INSERT does not say which
		my @made = $s->{kind} eq 'feed' ? () : grep { !$named{$_} && $r->default($s, $r->{column}{$_})->{computed} } keys %$whole;
		return if $creates eq 'no' && $self->park($s, \%row, \%named, \@made, %verdicts);
		delete @$whole{ 'id', @made } if $s->{start};
		@columns = $self->unrecorded($s, 'discarded INSERT', \%row, $whole, \@made, @columns);
		local $self->{made_some} = @made;
		$self->evidence($s, 'INSERT', 'discarded', \@columns, \%row, undef, $whole) if @columns;
		return;
	}
	if ($there && !$suppressed) { $self->{errors}{23505} = 1; $self->check($s, \%row); return; }
	my %final = (%row, map { $_ => $r->default($s, $r->{column}{$_})->{value} } @kept);
	for (@kept)
	{
		if ($r->{column}{$_}{not_null} && !defined $final{$_}) { $self->{errors}{42501} = 1; return; }
	}
	$self->hold_insert($s, \%row, \%final, \%verdicts, %named);
	return if !$suppressed && !$self->check($s, \%final);
	$self->allowed($s, 'INSERT', \%row, undef, \%row, %verdicts) if !$suppressed;
	@kept = $self->not_landing($s, \%row, \%final, @kept);
	@kept = $self->unrecorded($s, 'kept', \%row, \%row, [], @kept);
	$self->evidence($s, 'INSERT', 'kept', \@kept, \%row, values_of(\%final, @kept), values_of(\%row, @kept)) if @kept;
	return if $suppressed;
	# what does not fit is tried again when the transaction ends
	my $in_row = $self->writer($s)->{worker} && !$r->fires_later($self->writer($s), \%final, 'INSERT') && $self->fill($s, \%final, \%named);
	$final{rid} = $final{version} = ++$serial;
	$self->{rows}{ $r->key_of(\%final) } = \%final;
	$self->follow_pins($s, undef, \%final);
	$self->made($s, \%final) if !$in_row && (!$s->{start} || $self->{names_key});
	$self->after($s, \%final);
	return;
}

# Does a row fit the table's constraints?  Else the statement fails.
sub check
{
	my ($self, $s, $row) = @_;
	return 1 if !grep { !fits($_, $row->{ $_->{name} }) } @{ $self->{round}{columns} };
	$self->{errors}{23514} = 1;
	return 0;
}

sub fits
{
	my ($c, $value) = @_;
	return !defined $c->{unfit} || !defined $value || $value ne $c->{unfit};
}

# Users' triggers that fire before the guard's at an INSERT; false: they suppress the row.
sub before
{
	my ($self, $s, $row) = @_;
	my $suppress = $self->{round}{suppress};

	if ($self->{round}->suppressed($self->writer($s), $row) && !$suppress->{late})
	{
		$self->write_side($s, $row) if $suppress->{route};
		return 0;
	}
	$self->side_trigger($s, $row, 1);
	return 1;
}

sub after
{
	my ($self, $s, $row) = @_;
	return $self->side_trigger($s, $row, 0);
}

# Writes the side table if its trigger fires at this time, before or after.
sub side_trigger
{
	my ($self, $s, $row, $before) = @_;
	my $side = $self->{round}{side};

	$self->write_side($s, $row) if $side && !$side->{before} == !$before && $self->{round}->fires($side, $self->writer($s));
	return;
}

# Writes the side table: by SQL, also in a worker, as the same writer.  Of a function that
# writes as a steward, the caller writes it.
sub write_side
{
	my ($self, $s, $row) = @_;
	my ($side, $writer) = ($self->{side}, $self->writer($s)->{caller} // $self->writer($s));
	my %columns = %{ $side->{round}{column} };

	# a carrier writes as the source of the table; the side table has none
	$writer = { %$writer, system => undef } if ($writer->{kind} // '') eq 'carrier';
	@$side{qw(errors evidence xact made)} = (@$self{qw(errors evidence xact)}, []);
	$side->statement({
			kind => 'upsert', rows => [ $self->{round}->side_row($row) ], named => [ @columns{qw(id a b)} ], set => [ @columns{qw(a b)} ],
			enforcement => $s->{enforcement}, writer => $writer->{worker} ? { %$writer, worker => 0, in_worker => 1 } : $writer });
	return;
}

sub update
{
	my ($self, $s, $stored, $to, @set) = @_;
	my $r = $self->{round};
	my %new = (%$stored, map { $_->{name} => $to->{ $_->{name} } } @set);
	my %verdicts;

	# values that the database derives are not judged; a replicated move fires
	# triggers for DELETE and INSERT only
	my $halves = $self->writer($s)->{worker} && ($r->partition($stored))[0] ne ($r->partition(\%new))[0];
	$new{stamped} = ($stored->{stamped} // 0) + 1 if $r->fires($r->{stamp}, $self->writer($s)) && !$halves;
	$self->side_trigger($s, \%new, 1);
	my %final = %new;
	for my $c (@set)
	{
		my $name = $c->{name};
		next if !changed($c, $stored->{$name}, $new{$name});
		my $blank = $self->blank_verdict($s, $c, $stored->{$name}, $new{$name});
		$verdicts{$name} = $self->verdict($s, 'UPDATE', $c, $stored) if $self->foreign($s, $c, $stored);
		$verdicts{$name} = $blank if $blank && (!$verdicts{$name} || $strictness{$blank} > $strictness{ $verdicts{$name} });
		next if !$verdicts{$name};
		$final{$name} = $stored->{$name} if $verdicts{$name} eq 'kept';
	}
	$self->join_groups(\%verdicts, \%final, $stored, \%new, @set);
	my $held = 0;
	if ($self->writer($s)->{worker} && $self->stands_in_the_way($s, $stored, \%new, \%verdicts))
	{
		if (grep { $_ eq 'rejected' } values %verdicts) { $self->{errors}{42501} = 1; return; }
		# the guard never sees a row that a user's trigger suppresses
		return if $r->suppressed($self->writer($s), \%new);
		my $whole = $self->whole(\%new);
		my @columns = $self->unrecorded($s, 'discarded UPDATE', $stored, $whole, [], grep { $verdicts{$_} eq 'kept' } keys %verdicts);
		$self->evidence($s, 'UPDATE', 'discarded', \@columns, $stored, values_of($stored, @columns), $whole) if @columns;
		return;
	}
	# nothing of the UPDATE is left: the row stays as it was stored.  Zeros that are
	# added to a numeric are no conflict, but they are a change.
	# a replicated move does not say which columns it names
	my $sees = !$halves || !$r->suppressed($self->writer($s), \%new);
	$held = $self->hold_update($s, $stored, \%new, \%final, \%verdicts, !$halves, $halves ? @{ $r->{columns} } : @set) if $sees;
	my $nothing_left = ($held || grep { $_ eq 'kept' } values %verdicts) && !grep { changed({}, $stored->{ $_->{name} }, $final{ $_->{name} }) } @set;
	%final = %$stored if $nothing_left;
	my ($was, $is) = ($r->key_of($stored), $r->key_of(\%final));
	my $gone = ($r->partition($stored))[0] ne ($r->partition(\%final))[0] && $r->suppressed($self->writer($s), \%final);
	# in a worker, the guard judges a move where the row arrives: a trigger that
	# suppresses it earlier leaves nothing to judge
	%verdicts = () if $gone && $self->writer($s)->{worker} && !$r->{suppress}{late};
	$self->{errors}{23505} = 1 if $was ne $is && $self->{rows}{$is} && !$gone;
	$self->{errors}{42501} = 1 if grep { $_ eq 'rejected' } values %verdicts;
	$self->check($s, \%final) if !$gone;
	return if %{ $self->{errors} };

	# evidence contains the key that the row has now; of a row that was suppressed on
	# its way nothing went through
	$self->allowed($s, 'UPDATE', \%final, $stored, \%new, %verdicts) if !$gone;
	my @kept = $self->unrecorded($s, 'kept', \%final, \%new, [], grep { $verdicts{$_} eq 'kept' } keys %verdicts);
	$self->evidence($s, 'UPDATE', 'kept', \@kept, \%final, values_of($stored, @kept), values_of(\%new, @kept)) if @kept;
	$self->history($s, $stored, \%final) if !$gone;
	delete $self->{rows}{$was};
	$self->{let_in} = 1 if ($r->partition($stored))[0] ne ($r->partition(\%final))[0] && !($gone && !$r->{suppress}{late});
	if ($gone)
	{
		# a user's trigger suppresses the INSERT of a move
		$self->{moved}{ $stored->{rid} } = 1;
		$self->write_side($s, \%final) if $r->{suppress}{route};
		return;
	}
	$self->{rows}{$is} = \%final;
	$self->follow_pins($s, $stored, \%final);
	$final{version} = ++$serial;
	if (($r->partition($stored))[0] ne ($r->partition(\%final))[0])
	{
		# a statement that waits for the row will not find it
		$self->{moved}{ $stored->{rid} } = 1;
		$final{rid} = ++$serial;
	}
	my $in_row = $self->writer($s)->{worker} && !$r->fires_later($self->writer($s), \%final, $halves ? 'INSERT' : 'UPDATE');
	$self->made($s, \%final) if $was ne $is && !($in_row && $self->take($s, \%final));
	# a worker skips an UPDATE of which nothing is left
	$self->after($s, \%final) if !($nothing_left && $self->writer($s)->{worker});
	return;
}

# What an UPDATE changed in fields with a history, named or not.
sub history
{
	my ($self, $s, $stored, $final) = @_;
	my @columns = map { $_->{name} }
	  grep { $self->{map}{ $_->{name} }{history} && changed($_, $stored->{ $_->{name} }, $final->{ $_->{name} }) } @{ $self->{round}{columns} };

	$self->evidence($s, 'UPDATE', 'written', \@columns, $final, values_of($stored, @columns), values_of($final, @columns)) if @columns && $s->{enforcement} ne 'off';
	return;
}

# A replicated UPDATE that moves a row to another partition needs a writer that may
# write all columns of the partition keys above the row, changed or not.  Adds the
# verdicts on these; true: the move is refused.
sub stands_in_the_way
{
	my ($self, $s, $stored, $new, $verdicts) = @_;
	my ($from, @by) = $self->{round}->partition($stored);
	my ($to) = $self->{round}->partition($new);
	my %refused;

	return 0 if $from eq $to;
	for my $c (@by)
	{
		my $verdict = $verdicts->{ $c->{name} };
		$verdict //= $self->verdict($s, 'UPDATE', $c, $stored) if $self->foreign($s, $c, $stored);
		$refused{ $c->{name} } = $verdict if defined $verdict && $verdict =~ /^(kept|rejected)$/;
	}
	%$verdicts = (%$verdicts, %refused);
	return scalar %refused;
}

sub delete
{
	my ($self, $s, $stored) = @_;
	my %verdicts;

	for my $c (@{ $self->{round}{keys} })
	{
		$verdicts{ $c->{name} } = $self->verdict($s, 'DELETE', $c) if $self->foreign($s, $c, $stored);
	}
	if (grep { $_ eq 'rejected' } values %verdicts) { $self->{errors}{42501} = 1; return; }
	if (my @columns = grep { $verdicts{$_} eq 'discarded' } keys %verdicts)
	{
		@columns = $self->unrecorded($s, 'discarded DELETE', $stored, undef, [], @columns);
		$self->evidence($s, 'DELETE', 'discarded', \@columns, $stored, values_of($stored, @columns), undef) if @columns;
		return;
	}
	$self->allowed($s, 'DELETE', $stored, $stored, undef, %verdicts);
	$self->remember($s, 'DELETE', $stored);
	$self->pins_wait($s, $self->{round}->key_of($stored));
	delete $self->{rows}{ $self->{round}->key_of($stored) };
	return;
}

sub truncate
{
	my ($self, $s) = @_;
	my %verdicts;

	for my $c (@{ $self->{round}{keys} })
	{
		$verdicts{ $c->{name} } = $self->verdict($s, 'TRUNCATE', $c) if $self->foreign($s, $c, undef);
	}
	if (grep { $_ eq 'rejected' } values %verdicts) { $self->{errors}{42501} = 1; return; }
	for my $outcome (qw(observed overridden))
	{
		my @columns = grep { $verdicts{$_} eq $outcome } keys %verdicts;
		$self->evidence($s, 'TRUNCATE', $outcome, \@columns, undef, undef, undef) if @columns;
	}
	$self->remember($s, 'TRUNCATE', $_) for values %{ $self->{rows} };
	$self->pins_wait($s);
	$self->{rows} = {};
	return;
}

# Runs a statement in the model; returns the errors with which it may end, and its evidence.
sub predict
{
	my ($self, $s) = @_;
	my $result = $self->trial(sub { $self->statement($s) });
	$self->end_transaction if !@{ $self->{saved} } && !$self->{open};
	return $result;
}

# Runs a part of the model; an error undoes everything.
sub trial
{
	my ($self, $work) = @_;
	my $before = $self->copy_state;

	$self->{errors} = {};
	$self->{evidence} = [];
	$self->{let_in} = 0;
	$self->{made} = [];
	$work->();
	if (%{ $self->{errors} })
	{
		$self->restore($before);
		$self->{evidence} = [];
	}
	return { errors => $self->{errors}, evidence => $self->{evidence} };
}

sub statement
{
	my ($self, $s) = @_;
	my $before = $self->copy_state;

	my @parts = $s->{kind} eq 'combined' ? @{ $s->{parts} } : $s;
	# where one INSERT names the key, AFTER takes it to be named in all rows
	local $self->{names_key} = grep { $_->{rows} && !$_->{start} } @parts;
	local $self->{inserted} = { map { $_->{name} => 1 } map { my $part = $_; grep { !$part->{defaults}{ $_->{name} } } @{ $part->{named} // [] } } @parts };
	$self->part($_, $before) for @parts;
	$self->land if !%{ $self->{errors} };
	return;
}

# A statement, or part of one, that sees the rows of `before`.
sub part
{
	my ($self, $s, $before) = @_;
	my $r = $self->{round};

	if ($s->{kind} eq 'transaction') { $self->transaction($s->{action}); }
	elsif ($s->{kind} eq 'map')
	{
		$self->{map}{ $_->{name} } = { %{ $self->{map}{ $_->{name} } }, owner => $s->{owner}, policy => $s->{policy} } for $r->alike($r->{column}{ $s->{column} });
	}
	elsif ($s->{kind} eq 'truncate') { $self->truncate($s); }
	elsif ($s->{kind} eq 'pin') { $self->pin_statement($s); }
	elsif ($s->{kind} eq 'time') { $self->time_statement($s); }
	elsif ($s->{kind} eq 'decision') { $s->{action} eq 'apply' ? $self->apply_waiting($s) : $self->decide($s); }
	elsif ($s->{rows})
	{
		for my $row (@{ $s->{rows} })
		{
			my $stored = $before->{rows}{ $r->key_of($row) };

			next if $stored && $s->{kind} =~ /^(upsert|nothing)$/ && $self->not_tried($s, $row);
			my $action = !$stored || $s->{kind} =~ /^(insert|copy)$/ ? 'insert'
			  : $s->{kind} eq 'upsert' ? 'update' : $s->{kind} eq 'nothing' ? 'nothing' : $s->{matched};

			# an upsert must fit, whatever it becomes
			$self->check($s, $self->new_row($s, $row)) if $stored && $s->{kind} =~ /^(upsert|nothing)$/;
			$self->insert($s, $row, unprobed => $s->{kind} eq 'copy') if $action eq 'insert';
			$self->update($s, $stored, $row, @{ $s->{set} }) if $action eq 'update' && !defined $s->{move};
			$self->update($s, $stored, { %$row, r => $s->{move} }, $r->{column}{r}, @{ $s->{set} }) if $action eq 'update' && defined $s->{move};
			$self->delete($s, $stored) if $action eq 'delete';
		}
	}
	else
	{
		my @found = $self->found($s, $before);

		for my $stored (@found)
		{
			$s->{kind} eq 'delete' ? $self->delete($s, $stored) : $self->update($s, $stored, $s->{to}, @{ $s->{set} });
		}
		# two rows that get the same key may collide before the other error is reached
		$self->{errors}{23505} = 1 if $s->{kind} eq 'rekey' && @found > 1 && %{ $self->{errors} };
	}
	return;
}

# Does a user's trigger end an upsert by suppressing its INSERT?  The BEFORE INSERT
# triggers fire also where the upsert becomes an UPDATE.
sub not_tried
{
	my ($self, $s, $given) = @_;
	my $row = $self->new_row($s, $given);
	return !$self->before($s, $row) || $self->{round}->suppressed($self->writer($s), $row);
}

# The row that an INSERT begins with.
sub new_row
{
	my ($self, $s, $given) = @_;
	my %named = map { $_->{name} => 1 } @{ $s->{named} };
	$named{id} = 1 if $s->{start};
	return { map { $_->{name} => $named{ $_->{name} } ? $given->{ $_->{name} } : $self->{round}->default($s, $_)->{value} } @{ $self->{round}{columns} } };
}

# The rows that an UPDATE or DELETE looks for.
sub found
{
	my ($self, $s, $state) = @_;
	my $r = $self->{round};
	my @rows = map { $state->{rows}{$_} } sort keys %{ $state->{rows} };

	return grep {
		my $row = $_;
		(grep { $_ == $row->{id} } @{ $s->{ids} }) && (!$s->{r} || $s->{r} eq $row->{r}) && $r->within($row, $s->{into})
	} @rows;
}

# psql's ON_ERROR_ROLLBACK lets a transaction go on after an error.
sub transaction
{
	my ($self, $action) = @_;
	my $saved = $self->{saved};

	if ($action eq 'begin') { push @$saved, $self->copy_state if !@$saved; }
	elsif ($action eq 'savepoint')
	{
		if (@$saved) { $saved->[1] = $self->copy_state; }
		else { $self->{errors}{'25P01'} = 1; }
	}
	elsif ($action eq 'rollback_to')
	{
		if (@$saved > 1) { $self->restore($saved->[1]); $saved->[1] = $self->copy_state; }
		else { $self->{errors}{ @$saved ? '3B001' : '25P01' } = 1; }
	}
	else
	{
		$self->restore($saved->[0]) if $action eq 'rollback' && @$saved;
		@$saved = ();
	}
	return;
}

1;
