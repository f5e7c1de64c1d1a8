# Pins, as the contract describes them: a steward's value that holds against the next
# save of its system of record.
#
# A pin that has not ended is a hash that is never changed, only replaced:
#   row_key, column  what is pinned
#   value            as text; undef is NULL
#   replaced, known  the owner's last word, and whether it is known
#   until            whether it has a time
#   past             whether that is over
#   pending          the owner's last word goes in at that time
#   gone             the transaction that deleted the row, or 0
# Of ended pins only the time counts.  `overridden` has what stewards wrote, by row and
# column, the oldest first.
package Oracle::Model;

use strict;
use warnings;

my $clock = 0;

# Do pins hold against what this statement does?
sub pins_hold
{
	my ($self, $s) = @_;
	return $self->{round}{with}{pins} && !defined $self->{round}{source} && $s->{enforcement} eq 'on' && !$self->writer($s)->{relay};
}

sub pin_at
{
	my ($self, $key, $c) = @_;
	my $pin = $self->{pins}{"$key\0$c->{name}"};

	return $pin if !$pin || !$self->is_over($pin);
	$self->end_pin($key, $c);
	return undef;
}

# Was the row deleted so long ago that nothing of it is remembered?
sub is_over
{
	my ($self, $pin) = @_;
	return $pin->{expired} || ($pin->{gone} && $self->{round}{remembers_briefly} && $pin->{gone} != $self->{xact});
}

sub replace_pin
{
	my ($self, $key, $c, $pin, %changed) = @_;
	$self->{pins}{"$key\0$c->{name}"} = { %$pin, %changed };
	return;
}

sub end_pin
{
	my ($self, $key, $c) = @_;
	$self->{ended}{"$key\0$c->{name}"} = ++$clock if delete $self->{pins}{"$key\0$c->{name}"};
	return;
}

# The values of a row that consist of columns, of which some are pinned.
sub pinned_values
{
	my ($self, $key) = @_;
	my (@values, %seen);

	for my $c (@{ $self->{round}{columns} })
	{
		my @unit = $self->{round}->one_value($c);

		next if $seen{ $c->{name} } || !grep { $self->pin_at($key, $_) } @unit;
		$seen{ $_->{name} } = 1 for @unit;
		push @values, \@unit;
	}
	return @values;
}

# What a write of the owner means for a pinned value: untouched, ends, kept, silent.
# proposed: by name, of the columns that it writes.
sub judge_pins
{
	my ($self, $key, $unit, $proposed, $certain) = @_;
	my ($any, $fresh, $until, $past) = (0, 0, 0, 0);
	my $repeats = 1;

	for my $c (@$unit)
	{
		my $pin = $self->pin_at($key, $c) or next;

		($until, $past) = @$pin{qw(until past)};
		if (!exists $proposed->{ $c->{name} }) { $repeats = 0; next; }
		$any = 1;
		next if !changed($c, $proposed->{ $c->{name} }, $pin->{value});
		$repeats = 0;
		$fresh = 1 if $pin->{known} && changed($c, $proposed->{ $c->{name} }, $pin->{replaced});
	}
	return 'untouched' if !$any;
	return 'ends' if $past;
	return $certain ? 'ends' : 'untouched' if $repeats;
	return $until ? 'kept' : 'ends' if $fresh;
	return 'silent';
}

# Does that to the pins.
sub settle_pins
{
	my ($self, $key, $unit, $proposed, $outcome) = @_;

	for my $c (@$unit)
	{
		my $pin = $self->pin_at($key, $c) or next;

		if ($outcome eq 'ends') { $self->end_pin($key, $c); next; }
		next if $outcome eq 'untouched' || !exists $proposed->{ $c->{name} };
		my $first = !$pin->{known} || $outcome eq 'kept';
		$self->replace_pin($key, $c, $pin, pending => $pin->{until}, known => 1, $first ? (replaced => $proposed->{ $c->{name} }) : ());
	}
	return;
}

# An UPDATE by the owner: what is kept out, in `final` and `verdicts`.  Returns the
# number of columns that are kept without evidence.
sub hold_update
{
	my ($self, $s, $stored, $new, $final, $verdicts, $certain, @set) = @_;
	my $key = $self->{round}->key_of($stored);
	my $writer = $self->writer($s);
	my $silent = 0;

	return 0 if !$self->pins_hold($s) || $writer->{steward} || !defined $writer->{system};
	for my $unit ($self->pinned_values($key))
	{
		next if ($self->owner($unit->[0], $stored) // '') ne $writer->{system};
		my %proposed = map { my $c = $_; (grep { $_ == $c } @set) ? ($c->{name} => $new->{ $c->{name} }) : () } @$unit;
		my $outcome = $self->judge_pins($key, $unit, \%proposed, $certain);
		my %pinned = map { $_->{name} => 1 } grep { $self->pin_at($key, $_) } @$unit;

		$self->settle_pins($key, $unit, \%proposed, $outcome);
		next if $outcome !~ /^(kept|silent)$/;
		for my $c (grep { exists $proposed{ $_->{name} } && changed($_, $stored->{ $_->{name} }, $new->{ $_->{name} }) } @$unit)
		{
			my $name = $c->{name};

			next if ($verdicts->{$name} // '') eq 'rejected';
			$final->{$name} = $stored->{$name};
			if ($outcome eq 'silent' && $pinned{$name}) { $silent++; delete $verdicts->{$name}; }
			else { $verdicts->{$name} = 'kept'; }
		}
	}
	return $silent;
}

# A row is created, with `row` as proposed: the pinned values go into `final`.
sub hold_insert
{
	my ($self, $s, $row, $final, $verdicts, %named) = @_;
	my $key = $self->{round}->key_of($row);
	my $writer = $self->writer($s);
	my @put;

	return if !$self->pins_hold($s);
	for my $unit ($self->pinned_values($key))
	{
		my $owner = $self->owner($unit->[0], $final);
		next if !defined $owner;
		my $own = !$writer->{steward} && $owner eq ($writer->{system} // '');
		my %written = map { $_->{name} => $row->{ $_->{name} } }
		  grep { defined $row->{ $_->{name} } && $self->writes($s, $_, $row->{ $_->{name} }, $named{ $_->{name} }) } @$unit;
		my $outcome = 'untouched';

		if ($own)
		{
			$outcome = $self->judge_pins($key, $unit, \%written, 1);
			$self->settle_pins($key, $unit, \%written, $outcome);
			next if $outcome eq 'ends';
		}
		for my $c (@$unit)
		{
			my $name = $c->{name};
			my $pin = $self->pin_at($key, $c) or next;

			$self->replace_pin($key, $c, $pin, gone => 0, expired => 0);
			next if !changed($c, $final->{$name}, $pin->{value});
			my $brought = exists $written{$name} && ($verdicts->{$name} // '') ne 'kept';
			my $policy = $self->{map}{$name}{policy} // $self->{round}{default_policy};
			next if $brought && !$own && ($writer->{steward} || $policy eq 'observe');
			push @put, $name if $brought && $outcome ne 'silent';
			delete $verdicts->{$name} if $brought;
			$final->{$name} = $pin->{value};
		}
	}
	@put = $self->unrecorded($s, 'kept', $row, $row, [], @put);
	$self->evidence($s, 'INSERT', 'kept', \@put, $row, values_of($final, @put), values_of($row, @put)) if @put;
	return;
}

# A row was written: its pins follow a new key, and what a steward wrote is pinned.
sub follow_pins
{
	my ($self, $s, $stored, $final) = @_;
	my $r = $self->{round};
	my $key = $r->key_of($final);

	return if !$self->pins_hold($s);
	if ($stored && $r->key_of($stored) ne $key)
	{
		my $was = $r->key_of($stored);

		for my $c (@{ $r->{columns} })
		{
			my $pin = $self->pin_at($was, $c) or next;

			$self->end_pin($key, $c);
			delete $self->{pins}{"$was\0$c->{name}"};
			$self->replace_pin($key, $c, $pin, row_key => values_of($final, map { $_->{name} } @{ $r->{keys} }));
		}
	}
	return if !$self->writer($s)->{steward};
	for my $c (@{ $r->{columns} })
	{
		my $pin = $self->pin_at($key, $c) or next;
		my $value = $final->{ $c->{name} };

		next if ($stored && !changed($c, $stored->{ $c->{name} }, $value)) || !changed($c, $value, $pin->{value});
		$self->replace_pin($key, $c, $pin, value => $value, known => 1, $pin->{known} ? () : (replaced => $pin->{value}));
	}
	return;
}

# Rows go: their pins wait.  No key: those of all rows.
sub pins_wait
{
	my ($self, $s, $key) = @_;

	return if !$self->{round}{with}{pins} || $s->{enforcement} eq 'off';
	for my $at (keys %{ $self->{pins} })
	{
		$self->{pins}{$at} = { %{ $self->{pins}{$at} }, gone => $self->{xact} } if !defined $key || $at =~ /^\Q$key\E\0/;
	}
	return;
}

# Of the waiting values that a row takes, those that pins do not keep out.
sub sift
{
	my ($self, $s, $row, %chosen) = @_;
	my $key = $self->{round}->key_of($row);

	return %chosen if !$self->pins_hold($s) || !%chosen;
	for my $unit ($self->pinned_values($key))
	{
		my %parked = map { $_ => $chosen{$_}[1] } grep { $chosen{$_} && $chosen{$_}[0]{parked} } map { $_->{name} } @$unit;
		my $outcome = $self->judge_pins($key, $unit, \%parked, 1);

		$self->settle_pins($key, $unit, \%parked, $outcome);
		delete @chosen{ keys %parked } if $outcome =~ /^(kept|silent)$/;
	}
	return %chosen;
}

# What a steward wrote over a value.
sub overrides
{
	my ($self, $row_key, $columns, $stored, $proposed) = @_;
	my $key = $self->{round}->key_of($row_key);

	for my $c (@$columns)
	{
		my $at = "$key\0$c";
		$self->{overridden}{$at} = [ @{ $self->{overridden}{$at} // [] }, { at => ++$clock, before => $stored->{$c}, after => $proposed->{$c} } ];
	}
	return;
}

sub same_text
{
	my ($c, $a, $b) = @_;
	return !defined $a && !defined $b if !defined $a || !defined $b;
	return $a eq $b || ($c->{numeric} && $a == $b);
}

# The owner's last word, as far as evidence of stewards tells: [known, value].
sub last_word
{
	my ($self, $key, $c, $value) = @_;
	my $at = "$key\0$c->{name}";
	my $found = 0;

	for my $write (reverse @{ $self->{overridden}{$at} // [] })
	{
		last if $write->{at} < ($self->{ended}{$at} // 0) || !same_text($c, $write->{after}, $value);
		($found, $value) = (1, $write->{before});
	}
	return ($found, $value);
}

# pin(), pin_value() and unpin().
sub pin_statement
{
	my ($self, $s) = @_;
	my $r = $self->{round};
	my $c = $r->{column}{ $s->{column} };
	my @unit = ($c, grep { $_ != $c } $r->one_value($c));
	my $key = $r->key_of($s->{row_key});
	my $row = $self->{rows}{$key};
	my ($before, $wrote);

	if (!grep { defined } $self->{map}{ $c->{name} }{owner}, map { $_->[2] } @{ $c->{rules} // [] }) { $self->{errors}{55000} = 1; return; }
	if ($s->{action} eq 'unpin') { $self->end_pin($key, $_) for @unit; return; }
	if (!$row) { $self->{errors}{P0002} = 1; return; }
	if ($s->{action} eq 'pin_value' && !same_text($c, $s->{value}, $row->{ $c->{name} }))
	{
		($before, $wrote) = ($row->{ $c->{name} }, 1);
		$self->update({ %$s, writer => { %{ $self->writer($s) }, steward => 1, caller => $self->writer($s) } }, $row, { $c->{name} => $s->{value} }, $c);
		return if %{ $self->{errors} };
		$row = $self->{rows}{$key};
	}
	$self->store_pins($key, $row, $s->{until}, $before, $wrote, @unit);
	return;
}

# Pins what is stored.  before: what the first column had, if the caller wrote it.
sub store_pins
{
	my ($self, $key, $row, $until, $before, $wrote, @unit) = @_;
	my $r = $self->{round};

	for my $i (0 .. $#unit)
	{
		my $each = $unit[$i];
		my $old = $self->{pins}{"$key\0$each->{name}"};
		my ($known, $replaced) = $self->last_word($key, $each, $row->{ $each->{name} });

		($known, $replaced) = (1, $before) if !$known && $wrote && $i == 0;
		($known, $replaced) = (1, $old->{replaced}) if $old && $old->{known};
		$self->{pins}{"$key\0$each->{name}"} = {
			row_key => values_of($row, map { $_->{name} } @{ $r->{keys} }), column => $each->{name}, value => $row->{ $each->{name} },
			known => $known ? 1 : 0, replaced => $known ? $replaced : undef, until => $until ? 1 : 0,
			pending => $old && $old->{pending} && $until ? 1 : 0, gone => 0 };
	}
	return;
}

# Time passes, or what has become due is done.
sub time_statement
{
	my ($self, $s) = @_;
	my $r = $self->{round};

	if ($s->{action} eq 'expires')
	{
		$self->replace_waiting($_, expired => 1) for grep { !$_->{parked} && !$_->{brief} } values %{ $self->{waiting} };
		$_->{gone} and $_ = { %$_, expired => 1 } for values %{ $self->{pins} };
		return;
	}
	if ($s->{action} eq 'passes')
	{
		$_->{until} and $_ = { %$_, past => 1 } for values %{ $self->{pins} };
		return;
	}
	# without the index of values that wait, as before its version of the tables, no pin is due
	return if $s->{enforcement} ne 'on' || !$r->{with}{waiting};
	my %rows;
	push @{ $rows{ $r->key_of($_->{row_key}) } }, $_ for grep { $_->{past} } values %{ $self->{pins} };
	for my $key (sort keys %rows)
	{
		my $row = $self->{rows}{$key} or next;
		my %owners = map { $_->{column} => $self->owner($r->{column}{ $_->{column} }, $row) } @{ $rows{$key} };
		my %chosen = map { $_->{column} => [ undef, $_->{replaced} ] } grep { $_->{pending} && defined $owners{ $_->{column} } && !same_text($r->{column}{ $_->{column} }, $_->{replaced}, $row->{ $_->{column} }) } @{ $rows{$key} };

		# what does not fit leaves its pin open
		next if grep { !fits($r->{column}{$_}, $chosen{$_}[1]) } keys %chosen;
		$self->end_pin($key, $r->{column}{ $_->{column} }) for @{ $rows{$key} };
		next if !%chosen;
		my $new = { %$row, map { $_ => $chosen{$_}[1] } keys %chosen };
		$new->{stamped} = ($row->{stamped} // 0) + 1 if $r->fires($r->{stamp}, $self->writer($s));
		$self->side_trigger($s, $new, 1);
		$new->{version} = ++$clock + 2e9;
		$self->{rows}{$key} = $new;
		$self->history_of_landing($s, $row, $new, %chosen);
		$self->after($s, $new);
	}
	return;
}

# The open pins, as pins_sql() has them.
sub dump_pins
{
	my ($self) = @_;
	return map { my $p = $_; [ $p->{row_key}, $p->{column}, @$p{qw(value replaced)}, map { $p->{$_} ? 'true' : 'false' } qw(known until pending gone) ] } grep { !$self->is_over($_) } values %{ $self->{pins} };
}

# Those that are over stay until somebody looks for them.
sub pins_sql
{
	my ($brief) = @_;
	return "SELECT jsonb_build_array(row_key, column_name, value, replaced, replaced_known::text, (until IS NOT NULL)::text, pending::text, (gone_at IS NOT NULL)::text) "
	  . "FROM ownership.pin WHERE ended_at IS NULL" . ($brief ? ' AND (gone_at IS NULL OR gone_at >= transaction_timestamp())' : " AND (gone_at IS NULL OR gone_at > now() - interval '7 days')") . ";\n";
}

package Oracle::Round;

# A steward or a superuser pins a value, mostly of a row that is there.
sub make_pin
{
	my ($self, $model) = @_;
	my @rows = map { $model->{rows}{$_} } sort keys %{ $model->{rows} };
	my @columns = grep { !$_->{key} && !$_->{derived} } @{ $self->{columns} };
	my @owned = grep { defined $model->{map}{ $_->{name} }{owner} } @columns;
	my $c = pick(@owned && chance(0.95) ? @owned : @columns);
	my @open = map { $model->{pins}{$_} } sort keys %{ $model->{pins} };
	my $action = pick(qw(pin pin_value pin_value pin_value unpin));
	my $row = @rows && chance(0.95) ? pick(@rows) : $self->new_row(int(rand(12)), $self->{keys});

	($row, $c) = map { ($_->{row_key}, $self->{column}{ $_->{column} }) } pick(@open) if @open && chance($action eq 'unpin' ? 0.9 : 0.3);
	return {
		kind => 'pin', action => $action, writer => pick(qw(steward superuser)), enforcement => 'on', lift => 'on', wrap => 'plain', column => $c->{name},
		row_key => { map { $_->{name} => $row->{ $_->{name} } } @{ $self->{keys} } },
		until => chance($self->{with}{time} ? 0.6 : 0.25), value => value($c) };
}

# Lets the owner write a row that is pinned: its last word again, the pinned value, or another.
sub make_resend
{
	my ($self, $model, $s) = @_;
	my @open = map { $model->{pins}{$_} } sort keys %{ $model->{pins} };

	return if !@open || $s->{kind} !~ /^(insert|upsert|copy|merge|update|delete|rekey)$/ || defined $s->{into} || chance(0.3);
	my @past = grep { $_->{past} } @open;
	my $pin = pick(@past ? @past : @open);
	my $c = $self->{column}{ $pin->{column} };
	my $key = $self->{keys}[0];
	# a feed publishes some columns only
	return if !grep { $_ == $c } @{ $self->{columns} };
	$s->{enforcement} = 'on';
	$s->{writer} = $model->{map}{ $c->{name} }{owner} // $s->{writer} if $s->{kind} =~ /^(upsert|merge|update)$/;
	$s->{writer} = $model->{map}{ $key->{name} }{owner} // $s->{writer} if $s->{kind} !~ /^(upsert|merge|update)$/ && chance(0.7);
	my $value = chance(0.5) && $pin->{known} ? $pin->{replaced} : chance(0.4) ? $pin->{value} : value($c);
	$value = $c->{values}[0] if $c->{not_null} && !defined $value;
	if ($s->{rows})
	{
		my %named = map { $_->{name} => 1 } @{ $s->{named} };

		$s->{rows} = [ $s->{rows}[0] ] if @{ $s->{rows} };
		return if !@{ $s->{rows} };
		$s->{rows}[0] = { %{ $s->{rows}[0] }, %{ $pin->{row_key} } };
		$s->{rows}[0]{ $c->{name} } = $value if $named{ $c->{name} };
	}
	elsif ($s->{kind} eq 'update')
	{
		$s->{ids} = [ $pin->{row_key}{id} ];
		$s->{set} = [ grep { my $x = $_; $x == $c || grep { $_ == $x } @{ $s->{set} } } @{ $self->{columns} } ];
		$s->{to} = { %{ $s->{to} }, $c->{name} => $value };
	}
	else
	{
		$s->{ids} = [ $pin->{row_key}{id} ];
		$s->{r} = $pin->{row_key}{r} if $s->{kind} eq 'rekey' && defined $pin->{row_key}{r};
	}
	return;
}

# Time passes; not in a transaction, in which all is new.
sub make_time
{
	my ($self, $model) = @_;
	my $coming = grep { $_->{until} && !$_->{past} } values %{ $model->{pins} };
	return { kind => 'time', action => $coming && chance(0.6) ? 'passes' : pick('expires', 'due', 'due'), writer => 'superuser', enforcement => chance(0.9) ? 'on' : pick(qw(off observe)), lift => 'on', wrap => 'plain' };
}

sub time_sql
{
	my ($self, $s) = @_;
	return {
		expires => "UPDATE ownership.conflict SET recorded_at = recorded_at - interval '30 days' WHERE outcome = 'remembered' AND recorded_at > '-infinity';\n"
		  . "UPDATE ownership.pin SET gone_at = gone_at - interval '30 days' WHERE gone_at IS NOT NULL AND ended_at IS NULL;\n",
		passes => "UPDATE ownership.pin SET until = now() - interval '1 second' WHERE until IS NOT NULL AND ended_at IS NULL;\n",
		due => "SELECT ownership.pin_due() \\g /dev/null\n" }->{ $s->{action} };
}

sub pin_sql
{
	my ($self, $s) = @_;
	my $row_key = Oracle::quote(Oracle::encode({ map { $_->{name} => $_->{name} eq 'id' ? $s->{row_key}{id} + 0 : $s->{row_key}{ $_->{name} } } @{ $self->{keys} } }));
	my $target = "'fz.t', $row_key, " . Oracle::quote($s->{column});
	my $until = $s->{until} ? ", until => '2100-01-01'" : '';

	return "SELECT ownership.unpin($target) \\g /dev/null\n" if $s->{action} eq 'unpin';
	return "SELECT ownership.pin($target$until) \\g /dev/null\n" if $s->{action} eq 'pin';
	return "SELECT ownership.pin_value($target, " . Oracle::quote($s->{value}) . "$until) \\g /dev/null\n";
}

1;
