# Rows that several systems make, as the contract describes it: values that wait for
# a row, parked or remembered, and their application.
#
# A piece of waiting evidence is a hash that is never changed, only replaced:
#   id          of the model's own
#   parked      true: parked, false: remembered
#   operation, system, role, key, row_key, values
#   at          the greater, the newer
#   brief       remembered until the transaction ends
#   xact        the transaction that wrote it
#   resolution  undef: it waits
#   problem     it did not fit into its row
#   expired     it was remembered long enough
package Oracle::Model;

use strict;
use warnings;

my $serial = 0;
my $transactions = 1;

# Can values wait for rows of the table, by what this statement does?
sub waits
{
	my ($self, $s) = @_;
	my $r = $self->{round};
	return $r->{with}{waiting} && !defined $r->{source} && $s->{enforcement} eq 'on' && !$self->writer($s)->{relay};
}

# Evidence is of this transaction.
sub begin_transaction
{
	my ($self) = @_;
	$self->{xact} = ++$transactions;
	return;
}

# What was remembered until the transaction's end is forgotten.
sub end_transaction
{
	my ($self) = @_;
	my $waiting = $self->{waiting};

	delete @$waiting{ grep { $waiting->{$_}{brief} } keys %$waiting };
	$self->{side}->end_transaction if $self->{side};
	$self->begin_transaction;
	return;
}

sub wait_for
{
	my ($self, %w) = @_;
	my $id = ++$serial;

	$self->{waiting}{$id} = { %w, id => $id, at => $id, xact => $self->{xact} };
	return;
}

sub replace_waiting
{
	my ($self, $w, %changed) = @_;
	$self->{waiting}{ $w->{id} } = { %$w, %changed };
	return;
}

# What waits for a key, the newest first.
sub waiting_for
{
	my ($self, $key) = @_;
	my @waiting = grep { $_->{key} eq $key && !defined $_->{resolution} && !$_->{expired} } values %{ $self->{waiting} };
	return sort { ($b->{brief} // 0) <=> ($a->{brief} // 0) || $b->{at} <=> $a->{at} } @waiting;
}

# The names of columns, with all that are one value with them.
sub whole_values
{
	my ($self, @names) = @_;
	my %all = map { $_->{name} => 1 } map { $self->{round}->one_value($self->{round}{column}{$_}) } @names;
	return sort keys %all;
}

# An INSERT by a writer who may not create the row.  False: nothing waits.
sub park
{
	my ($self, $s, $row, $named, $made, %verdicts) = @_;
	my $r = $self->{round};
	my $writer = $self->writer($s);
	my $system = $writer->{system};

	return 0 if !$self->waits($s) || !defined $system || $self->said_keys($s) < @{ $r->{keys} };
	my %written = map { $_->{name} => 1 }
	  grep { defined $row->{ $_->{name} } && $self->writes($s, $_, $row->{ $_->{name} }, $named->{ $_->{name} }) } @{ $r->{columns} };
	my @own = grep {
		my $c = $r->{column}{$_};
		!$c->{key} && ($self->owner($c, $row) // '') eq $system && ($written{$_} || ($writer->{worker} && $self->{known}{$_}))
	} map { $_->{name} } @{ $r->{columns} };
	my @said = @own;
	@own = $self->whole_values(@own);

	# what the INSERT says of other fields
	my %own = map { $_ => 1 } @own;
	my @rest = grep { !$r->{column}{$_}{key} && !$own{$_} && ($verdicts{$_} || $written{$_}) } map { $_->{name} } @{ $r->{columns} };
	if (@own || !@rest)
	{
		# the row is there: no COPY discards it
		if ($self->{rows}{ $r->key_of($row) }) { $self->{errors}{23505} = 1; return 1; }
		$self->wait_with($s, $row, \@said, @own);
	}
	my $whole = $self->whole($row);
	delete @$whole{@own};
	@rest = $self->unrecorded($s, 'discarded INSERT', $row, $whole, [ grep { exists $whole->{$_} } @$made ], @rest) if @rest;
	local $self->{made_some} = grep { exists $whole->{$_} } @$made;
	$self->evidence($s, 'INSERT', 'discarded', \@rest, $row, undef, $whole) if @rest;
	return 1;
}

# Values of a row wait, with what the system has said of it before.  Where it says only a part
# of a group, the rest stays what waits.
sub wait_with
{
	my ($self, $s, $row, $said, @own) = @_;
	my $r = $self->{round};
	my $writer = $self->writer($s);
	my $key = $r->key_of($row);
	my $values = values_of($row, @own);
	my @waiting = grep { !$_->{parked} || $_->{system} eq $writer->{system} } $self->waiting_for($key);
	my %said = map { $_ => 1 } @$said;
	for my $name (grep { !$said{$_} } @own)
	{
		my ($from) = grep { exists $_->{values}{$name} } @waiting;
		$values->{$name} = $from->{values}{$name} if $from;
	}
	my ($w) = grep { $_->{parked} } @waiting;

	if (!$w)
	{
		$self->wait_for(
			parked => 1, operation => 'INSERT', system => $writer->{system}, role => $writer->{role}, key => $key,
			row_key => values_of($row, map { $_->{name} } @{ $r->{keys} }), values => $values);
	}
	elsif ($w->{problem} || grep { !exists $w->{values}{$_} || ($w->{values}{$_} // "\0") ne ($values->{$_} // "\0") } @own)
	{
		$self->replace_waiting($w, values => { %{ $w->{values} }, %$values }, problem => 0, at => ++$serial, xact => $self->{xact});
	}
	return;
}

# A row goes: the values of other systems' fields are remembered.
sub remember
{
	my ($self, $s, $operation, $row) = @_;
	my $r = $self->{round};
	my $writer = $self->writer($s);
	my @columns;

	return if !$self->waits($s);
	for my $c (grep { !$_->{key} } @{ $r->{columns} })
	{
		my $owner = $self->owner($c, $row);

		next if !defined $owner || $owner eq ($writer->{system} // '');
		next if !defined $row->{ $c->{name} } && !$self->null_is_value($row, $c);
		push @{ $columns[ $r->{remembers_briefly} || $c->{sensitive} ? 1 : 0 ] }, $c->{name};
	}
	for my $brief (0, 1)
	{
		next if !$columns[$brief];
		$self->wait_for(
			operation => $operation, system => $writer->{system}, role => $writer->{role}, key => $r->key_of($row), brief => $brief,
			row_key => values_of($row, map { $_->{name} } @{ $r->{keys} }),
			values => values_of($row, $self->whole_values(@{ $columns[$brief] })));
	}
	return;
}

# Does a row that is created in the place of this one without the column get another value
# than NULL, of the table that has it or of one above?
sub null_is_value
{
	my ($self, $row, $c) = @_;
	my $r = $self->{round};
	my @defaults = map { $r->{defaults}{$_}{ $c->{name} } } grep { $_ eq '' || $r->within($row, $_) } keys %{ $r->{defaults} };
	return grep { $_->{computed} || defined $_->{value} } @defaults;
}

# Does the row have a value that its creator brought, and that stands before what waits?
sub prevails
{
	my ($self, $s, $c, $row, $owner) = @_;
	my $writer = $self->writer($s);
	my $policy = $self->{map}{ $c->{name} }{policy} // ($s->{by_hand} ? 'keep' : $self->{round}{default_policy});

	return 0 if !$writer->{steward} && $policy ne 'observe';
	return 0 if defined $writer->{system} && $writer->{system} eq $owner;
	return $self->brought($s, $c, $row);
}

# Has the row a value that is not the constant default, nor one that a statement left to a
# default of another kind?
sub brought
{
	my ($self, $s, $c, $row) = @_;
	my $value = $row->{ $c->{name} };
	my $default = $self->{round}->default($s, $c);
	return 0 if !defined $value;
	return changed($c, $value, $default->{value}) if !$default->{computed};
	# where one INSERT of the statement names it, it may be named in all rows
	return $s->{kind} =~ /^(feed|sync)$/ || !$s->{named} || $self->{inserted}{ $c->{name} } ||
	  grep { $_->{name} eq $c->{name} && !$s->{defaults}{ $_->{name} } } @{ $s->{named} };
}

# The values that a new row takes, by column: [evidence, value].
sub choose
{
	my ($self, $s, $row, @waiting) = @_;
	my $r = $self->{round};
	my $creator = $self->writer($s)->{system};
	my %position = map { $waiting[$_]{id} => $_ } 0 .. $#waiting;
	my (%chosen, %held);

	for my $c (grep { !$_->{key} } @{ $r->{columns} })
	{
		my $name = $c->{name};
		my $owner = $self->owner($c, $row);

		next if !defined $owner;
		my ($w) = grep { exists $_->{values}{$name} && ($_->{parked} ? $_->{system} eq $owner : ($creator // '') ne $owner) } @waiting;
		next if !$w;
		if ($self->prevails($s, $c, $row, $owner)) { $held{$_} = 1 for $self->whole_values($name); }
		else { $chosen{$name} = [ $w, $w->{values}{$name} ]; }
	}
	delete @chosen{ keys %held };
	# one value comes from one piece of evidence
	my %newest;
	for my $name (keys %chosen)
	{
		my @from = sort { $a <=> $b } map { $chosen{$_} ? $position{ $chosen{$_}[0]{id} } : () } $self->whole_values($name);
		$newest{$name} = $chosen{$name} if $position{ $chosen{$name}[0]{id} } == $from[0];
	}
	return %newest;
}

# Everything that waited for the key is resolved, but for the columns that failed.
sub resolve
{
	my ($self, $chosen, $failed, @waiting) = @_;
	my %applied;
	$applied{ $_->[0]{id} }++ for values %$chosen;

	for my $w (@waiting)
	{
		my $values = $w->{values};
		my @stuck = grep { $failed->{$_} } keys %$values;
		my %rest = map { $_ => $values->{$_} } grep { !$failed->{$_} } keys %$values;
		my $applied = $applied{ $w->{id} } // 0;
		# of what is applied in the transaction that removed the row, nothing is left
		my $none = !$w->{parked} && $w->{xact} == $self->{xact} && ($w->{brief} || $applied == keys %rest);
		my %resolved = (resolution => $applied ? 'applied' : 'superseded', problem => 0, xact => $self->{xact});

		if (@stuck)
		{
			$self->replace_waiting($w, values => { map { $_ => $values->{$_} } @stuck }, problem => 1);
			next if !%rest || $none;
			# the rest is resolved
			my $id = ++$serial;
			$self->{waiting}{$id} = { %$w, id => $id, values => \%rest, %resolved };
		}
		elsif ($none) { delete $self->{waiting}{ $w->{id} }; }
		else { $self->replace_waiting($w, %resolved); }
	}
	return;
}

# The values of the creator that others replace.
sub replaced
{
	my ($self, $s, $brought, $row, $new, @columns) = @_;
	my $creator = $self->writer($s)->{system};
	return grep {
		my $c = $self->{round}{column}{$_};
		($self->owner($c, $row) // '') ne ($creator // '') && $brought->($c) && changed($c, $row->{$_}, $new->{$_})
	} @columns;
}

# Of the columns that are kept out of a new row, those whose waiting value is another one
# than the creator proposed: where it is the same, nothing is refused.
sub not_landing
{
	my ($self, $s, $row, $final, @kept) = @_;
	my $r = $self->{round};
	my @waiting = @kept && $self->waits($s) && $self->said_keys($s) == @{ $r->{keys} } ? $self->waiting_for($r->key_of($final)) : ();
	# where values of the table are pinned, the guard does not look
	return @kept if !@waiting || %{ $self->{pins} };
	my %chosen = $self->choose($s, $final, @waiting);
	my %stays = map { $_ => 1 } grep { !$chosen{$_} || !defined $chosen{$_}[1] || changed($r->{column}{$_}, $row->{$_}, $chosen{$_}[1]) } @kept;
	return grep { my $name = $_; grep { $stays{ $_->{name} } } $r->{column}{$name}, $r->one_value($r->{column}{$name}) } @kept;
}

# The columns of those that a row would take that do not fit, with all that are one value with them.
sub unfitting
{
	my ($self, $s, $row, %chosen) = @_;
	my @pins = map { { %{ $self->{$_} } } } qw(pins ended);

	%chosen = $self->sift($s, $row, %chosen);
	@$self{qw(pins ended)} = @pins;
	return map { $_ => 1 } $self->whole_values(grep { !fits($self->{round}{column}{$_}, $chosen{$_}[1]) } keys %chosen);
}

# A worker creates a row: it takes what waits for it.  False: not all of it fits.
sub fill
{
	my ($self, $s, $row, $named) = @_;
	my @waiting = $self->waits($s) ? $self->waiting_for($self->{round}->key_of($row)) : ();
	return 1 if !@waiting;
	my %chosen = $self->choose($s, $row, @waiting);
	my %unfitting = $self->unfitting($s, $row, %chosen);
	return 0 if %unfitting;
	%chosen = $self->sift($s, $row, %chosen);
	my %new = (%$row, map { $_ => $chosen{$_}[1] } keys %chosen);

	$self->resolve(\%chosen, {}, @waiting);
	my @kept = $self->replaced($s, sub { my $c = shift; defined $row->{ $c->{name} } && $self->writes($s, $c, $row->{ $c->{name} }, $named->{ $c->{name} }) },
		$row, \%new, keys %chosen);
	@kept = $self->unrecorded($s, 'kept', $row, $row, [], @kept);
	$self->evidence($s, 'INSERT', 'kept', \@kept, $row, values_of(\%new, @kept), values_of($row, @kept)) if @kept;
	$row->{$_} = $new{$_} for keys %chosen;
	return 1;
}

# A row was made, or got this key, by a statement or a part of it.
sub made
{
	my ($self, $s, $row) = @_;
	push @{ $self->{made} }, [ $s, $self->{round}->key_of($row) ] if $self->waits($s);
	return;
}

# A statement ends, or the transaction of a feed: what waits is written into the rows.
sub land
{
	my ($self) = @_;
	my @made = @{ $self->{made} };

	$self->{made} = [];
	$self->land_in(@$_) for @made;
	return;
}

# No value fails the statement: where a trigger of users raises an error, what waits is tried
# value by value, and waits where that fails.
sub land_in
{
	my ($self, $s, $key) = @_;
	my @names = map { keys %{ $_->{values} } } $self->waiting_for($key);
	my %all = map { $_ => 1 } @names;
	my %failed;

	return if !$self->{rows}{$key} || $self->lands($s, $key, {}, {});
	for my $name (@names)
	{
		my %but = %all;
		delete @but{ $self->whole_values($name) };
		$failed{$name} = 1 if !$self->lands($s, $key, \%but, {}, 'only tried');
	}
	# where each value fits, but not all of them together, none lands
	$self->lands($s, $key, \%failed, \%failed) || $self->lands($s, $key, \%all, \%all) || die;
	return;
}

# Values of the row land, but for some columns; those that failed go on waiting.  False: an
# error undoes it.
sub lands
{
	my ($self, $s, $key, $but, $failed, $only_tried) = @_;
	my $before = $self->copy_state;
	my $evidence = @{ $self->{evidence} };
	local $self->{errors} = {};

	$self->write_landing($s, $key, $but, $failed);
	my $fits = !%{ $self->{errors} };
	return 1 if $fits && !$only_tried;
	$self->restore($before);
	splice @{ $self->{evidence} }, $evidence;
	return $fits;
}

sub write_landing
{
	my ($self, $s, $key, $but, $failed) = @_;
	my $r = $self->{round};
	my $row = $self->{rows}{$key};
	my ($new, %chosen) = $self->landed($s, $row, 0, $but, $failed);
	return if !$new;
	$new->{stamped} = ($row->{stamped} // 0) + 1 if $r->fires($r->{stamp}, $self->writer($s));
	$self->side_trigger($s, $new, 1);
	$new->{version} = ++$serial + 1e9;
	$self->{rows}{$key} = $new;
	$self->history_of_landing($s, $row, $new, %chosen);
	$self->after($s, $new);
	return;
}

# A worker gives a row another key: it takes what waits for that.  False: not all of it fits.
sub take
{
	my ($self, $s, $row) = @_;
	return 1 if !$self->waits($s);
	my %unfitting = $self->unfitting($s, $row, $self->choose($s, $row, $self->waiting_for($self->{round}->key_of($row))));
	return 0 if %unfitting;
	my ($new, %chosen) = $self->landed($s, $row, 1);
	return 1 if !$new;
	$self->history_of_landing($s, { %$row }, $new, %chosen);
	$row->{$_} = $new->{$_} for keys %chosen;
	return 1;
}

# What waits for a row is resolved.  Returns the row with it, and what it takes; nothing
# where it does not change.  in_row: it is written anyway, so that zeros of a numeric land, too.
# but: columns that take nothing; stuck: those of them that failed, and go on waiting.
sub landed
{
	my ($self, $s, $row, $in_row, $but, $stuck) = @_;
	my $r = $self->{round};
	my @waiting = $self->waiting_for($r->key_of($row));
	return if !@waiting;
	my %chosen = $self->choose($s, $row, map { { %$_, values => $self->all_but($_->{values}, $but) } } @waiting);
	my %failed = $s->{by_hand} ? $self->already_written($s, $row, %chosen) : ();
	delete @chosen{ keys %failed };
	%failed = (%failed, $self->unfitting($s, $row, %chosen));
	delete @chosen{ keys %failed };
	%failed = (%failed, %{ $stuck // {} });
	%chosen = $self->sift($s, $row, %chosen);
	my @columns = sort keys %chosen;
	my %new = (%$row, map { $_ => $chosen{$_}[1] } @columns);

	$self->resolve(\%chosen, \%failed, @waiting);
	return if !$in_row && !grep { changed($r->{column}{$_}, $row->{$_}, $new{$_}) } @columns;
	my @kept = $self->replaced($s, sub { $self->brought($s, $_[0], $row) }, $row, \%new, @columns);
	@kept = $self->unrecorded($s, 'kept', $row, $row, [], @kept);
	$self->evidence($s, 'UPDATE', 'kept', \@kept, $row, values_of(\%new, @kept), values_of($row, @kept)) if @kept;
	return (\%new, %chosen);
}

# Values by name, but for some names.
sub all_but
{
	my ($self, $values, $but) = @_;
	return { map { $_ => $values->{$_} } grep { !$but->{$_} } keys %$values };
}

# apply_waiting(): another value that the row has by now stands before what waits.
sub already_written
{
	my ($self, $s, $row, %chosen) = @_;
	return map { $_ => 1 } $self->whole_values(grep {
			my $c = $self->{round}{column}{$_};
			$self->brought($s, $c, $row) && changed($c, $row->{$_}, $chosen{$_}[1])
	} keys %chosen);
}

# It is a write of the systems whose values these are; what triggers derive is the creator's.
sub history_of_landing
{
	my ($self, $s, $row, $new, %chosen) = @_;
	my $writer = $self->writer($s);
	my %owners = map { $_ => $self->owner($self->{round}{column}{$_}, $row) } keys %chosen;

	for my $system (sort keys %{ { map { $_ => 1 } values %owners } })
	{
		my %part = (%$row, map { $_ => $new->{$_} } grep { $owners{$_} eq $system } keys %owners);
		$self->history({ %$s, writer => { %$writer, system => $system } }, $row, \%part);
	}
	$self->history($s, $row, { %$new, map { $_ => $row->{$_} } keys %owners });
	return;
}

# The evidence of what waits or waited.
sub dump_waiting
{
	my ($self) = @_;
	my $table = $self->{round}{table} // 't';
	my @rows = map {
		my $w = $_;
		[
			$w->{operation}, $w->{system}, $w->{role}, $w->{parked} ? 'parked' : 'remembered', [ sort keys %{ $w->{values} } ], $w->{row_key},
			$w->{parked} ? (undef, $w->{values}) : ($w->{values}, undef), $w->{resolution}, $w->{brief} ? \1 : \0, $w->{problem} ? \1 : \0, $table ]
	} values %{ $self->{waiting} };
	push @rows, $self->{side}->dump_waiting if $self->{side};
	return @rows;
}

sub waiting_sql
{
	return "SELECT jsonb_build_array(operation, system, role, outcome, columns, row_key, stored, proposed, "
	  . "resolution, recorded_at = '-infinity', problem IS NOT NULL, CASE table_name WHEN 'l' THEN 'l' ELSE 't' END) "
	  . "FROM ownership.conflict WHERE outcome IN ('parked', 'remembered');\n";
}

1;
