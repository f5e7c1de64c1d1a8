# Decisions on evidence, as the contract describes them: accept(), dismiss(), and
# apply_waiting().
#
# `log` has the evidence that decisions may be about, or that later evidence replaces,
# the oldest first.  A piece of it is a hash that is never changed, only replaced:
#   n           its number
#   operation, system, role, outcome, columns, row_key, stored, proposed
#   name        the writer, as refused values are recognized by it
#   made        the database may have made some of the proposed values
#   resolution  undef: it is open
package Oracle::Model;

use strict;
use warnings;

my $serial = 0;

sub log_evidence
{
	my ($self, $s, $operation, $outcome, $columns, $row_key, $stored, $proposed) = @_;
	my $writer = $self->writer($s);

	return if !$self->{round}{with}{decisions} || $outcome eq 'written';
	push @{ $self->{log} }, {
		n => ++$serial, operation => $operation, outcome => $outcome, system => $writer->{system}, role => $writer->{role}, name => $self->writer_name($s),
		columns => [@$columns], row_key => $row_key, stored => $stored, proposed => $proposed, made => $self->{made_some} };
	return;
}

sub mark_log
{
	my ($self, $e, $resolution) = @_;
	@{ $self->{log} } = map { $_->{n} == $e->{n} ? { %$e, resolution => $resolution } : $_ } @{ $self->{log} };
	return;
}

# What identifies a piece of evidence: it may be there several times, and then the latest is meant.
sub identity_of
{
	my ($e) = @_;
	my $values = $e->{proposed} // $e->{values} // {};
	my $names = join("\0", sort @{ $e->{columns} // [ keys %{ $e->{values} } ] });
	return join("\1", map { $_ // '' } $e->{operation}, outcome_of($e), $e->{system}, $e->{role}, $names,
		Oracle::encode(values_of($e->{row_key} // {}, keys %{ $e->{row_key} // {} })), Oracle::encode($values));
}

sub outcome_of { return $_[0]{outcome} // ($_[0]{parked} ? 'parked' : 'remembered'); }

sub open_waiting
{
	my ($self) = @_;
	return grep { !defined $_->{resolution} && !$_->{brief} } map { $self->{waiting}{$_} } sort { $a <=> $b } keys %{ $self->{waiting} };
}

sub open_refusals
{
	my ($self) = @_;
	return grep { !defined $_->{resolution} && $_->{outcome} =~ /^(kept|discarded)$/ && $_->{row_key} } @{ $self->{log} };
}

# accept() or dismiss() of what the statement describes.
sub decide
{
	my ($self, $s) = @_;
	my $of = $s->{of};
	my $waits = $of->{outcome} =~ /^(parked|remembered)$/;
	my ($e) = grep { identity_of($_) eq $of->{identity} } reverse $waits ? $self->open_waiting : $self->open_refusals;

	return if !$e;
	if ($s->{action} eq 'dismiss')
	{
		$waits ? $self->replace_waiting($e, resolution => 'dismissed', xact => $self->{xact}) : $self->mark_log($e, 'dismissed');
		return;
	}
	local $self->{names_key} = 1;
	my $writer = $self->writer($s);
	my $steward = { %$s, writer => { %$writer, steward => 1, caller => $writer } };
	my ($key, @written) = $waits ? $self->accept_waiting($steward, $e) : $self->accept_refused($steward, $e);
	return if %{ $self->{errors} } || !defined $key;
	$self->pin_accepted($s, $key, @written) if $s->{pin};
	return;
}

# Each write of a decision is a statement.
sub write_as_steward
{
	my ($self, $s, $operation, $row, $values, @names) = @_;
	my $r = $self->{round};
	my @columns = map { $r->{column}{$_} } @names;
	my $is = $r->key_of({ %{ $row // {} }, %$values });
	local $self->{inserted} = { map { $_ => 1 } @names };

	if ($operation eq 'insert') { $self->insert({ %$s, kind => 'insert', named => \@columns, rows => [$values] }, $values); }
	elsif ($operation eq 'update') { $self->update({ %$s, kind => 'update' }, $row, $values, @columns); }
	else { $self->delete($s, $row); }
	# a trigger of users has suppressed the row
	$self->{errors}{55000} = 1 if !%{ $self->{errors} } && $operation ne 'delete' && !$self->{rows}{$is};
	$self->land if !%{ $self->{errors} };
	return;
}

# Returns the key of the row, and the columns that were written.
sub accept_waiting
{
	my ($self, $s, $w) = @_;
	my $row = $self->{rows}{ $w->{key} };
	my @names = sort keys %{ $w->{values} };

	if ($w->{expired}) { $self->{errors}{55000} = 1; return; }
	# it does not wait any more
	$self->replace_waiting($w, resolution => 'accepted', xact => $self->{xact});
	if (!$row && !$w->{parked}) { $self->{errors}{P0002} = 1; return; }
	if ($row) { $self->write_as_steward($s, 'update', $row, $w->{values}, @names) if @names; }
	else
	{
		my %row = (%{ $w->{values} }, %{ $w->{row_key} });
		$self->write_as_steward($s, 'insert', undef, \%row, sort keys %row);
	}
	return ($w->{key}, @names);
}

# The columns for which the same writer has proposed something else since.
sub superseded
{
	my ($self, $e) = @_;
	my $key = $self->{round}->key_of($e->{row_key});
	my %mine = map { $_ => 1 } @{ $e->{columns} }, $e->{outcome} eq 'discarded' ? keys %{ $e->{proposed} // {} } : ();
	my @later = grep { $_->{n} > $e->{n} && $_->{name} eq $e->{name} && ($_->{resolution} // '') ne 'dismissed' && $_->{row_key} && $self->{round}->key_of($_->{row_key}) eq $key } @{ $self->{log} };
	my %gone = map { $_ => 1 } grep { $mine{$_} } map { @{ $_->{columns} } } @later;

	# a group is superseded as a whole, or not
	for my $name (keys %gone)
	{
		my @unit = map { $_->{name} } $self->{round}->one_value($self->{round}{column}{$name});
		delete @gone{@unit} if grep { $mine{$_} && !$gone{$_} && ($e->{outcome} eq 'discarded' ? exists(($e->{proposed} // {})->{$_}) : 1) } @unit;
	}
	return %gone;
}

sub accept_refused
{
	my ($self, $s, $e) = @_;
	my $r = $self->{round};
	my $key = $r->key_of($e->{row_key});
	my $row = $self->{rows}{$key};
	my %gone = $self->superseded($e);
	my @names = grep { !$gone{$_} } @{ $e->{columns} };
	my @written = @names;

	if (!@names) { $self->{errors}{55000} = 1; return; }
	if ($s->{pin} && $e->{operation} eq 'DELETE') { $self->{errors}{42809} = 1; return; }
	if ($e->{outcome} eq 'discarded' && $e->{operation} eq 'INSERT') { @written = $self->accept_insert($s, $e, $row, %gone); }
	elsif (!$row) { $self->{errors}{P0002} = 1; }
	elsif ($e->{operation} eq 'DELETE') { $self->write_as_steward($s, 'delete', $row, {}); }
	else
	{
		my %values = map { $_ => $e->{proposed}{$_} } @names;
		$self->write_as_steward($s, 'update', $row, \%values, @names);
		$key = $r->key_of({ %{ $e->{row_key} }, %values });
	}
	return if %{ $self->{errors} };
	$self->forget_proposal($e);
	$self->mark_log($e, 'accepted');
	return ($key, @written);
}

# What was accepted is news when it is refused again.
sub forget_proposal
{
	my ($self, $e) = @_;
	my $what = $e->{outcome} eq 'kept' ? 'kept' : "discarded $e->{operation}";
	my $at = join("\0", $what, Oracle::encode(values_of($e->{row_key}, keys %{ $e->{row_key} })), $e->{name});
	my @later = grep { $_->{n} > $e->{n} && $_->{outcome} eq $e->{outcome} && $_->{name} eq $e->{name} && $_->{row_key} && Oracle::encode($_->{row_key}) eq Oracle::encode($e->{row_key})
			&& ($what eq 'kept' || $_->{operation} eq $e->{operation}) } @{ $self->{log} };

	if ($what ne 'kept')
	{
		delete $self->{memory}{$at} if !@later;
		return;
	}
	for my $name (@{ $e->{columns} })
	{
		delete $self->{memory}{"$at\0$name"} if !grep { my $l = $_; grep { $_ eq $name } @{ $l->{columns} } } @later;
	}
	return;
}

# A discarded INSERT: creates the row, or writes what fits into the one that is there.
# Returns the columns that have what it must have said.
sub accept_insert
{
	my ($self, $s, $e, $row, %gone) = @_;
	my $r = $self->{round};
	my $proposed = $e->{proposed};
	my @names = sort keys %$proposed;
	my %key = map { $_->{name} => 1 } @{ $r->{keys} };
	my $default = sub { return $r->default({}, $_[0]); };
	my $said = sub {
		my $c = shift;
		my $d = $default->($c);
		return defined $proposed->{ $c->{name} } && !$d->{computed} && !same_text($c, $proposed->{ $c->{name} }, $d->{value});
	};
	my (%goes, %same, %stays, %holds);

	if (!$row)
	{
		$self->write_as_steward($s, 'insert', undef, {%$proposed}, @names);
		return grep { $said->($r->{column}{$_}) } @names;
	}
	for my $name (grep { !$key{$_} && !$gone{$_} } @names)
	{
		my $c = $r->{column}{$name};
		my $d = $default->($c);
		my $others = grep { defined $_ && $_ ne ($e->{system} // '') } $self->{map}{$name}{owner}, map { $_->[2] } @{ $c->{rules} // [] };
		my $blank = !defined $row->{$name} || (!$d->{computed} && same_text($c, $row->{$name}, $d->{value}));

		if (same_text($c, $proposed->{$name}, $row->{$name})) { $same{$name} = 1; }
		elsif ($said->($c)) { $blank || $others ? $goes{$name}++ : $stays{$name}++; }
		$holds{$name} = 1 if !$same{$name} && !$blank && !$others;
	}
	# of a group, all goes in or nothing does
	for my $name (grep { !$key{$_} && !$gone{$_} } @names)
	{
		my @unit = grep { exists $proposed->{$_} && !$gone{$_} } map { $_->{name} } $r->one_value($r->{column}{$name});

		next if @unit < 2 || $name ne $unit[0];
		my ($goes, $stays, $holds) = map { my $of = $_; scalar grep { $of->{$_} } @unit } \%goes, \%stays, \%holds;
		delete @goes{@unit} if $stays || ($goes && $holds);
		@goes{@unit} = (1) x @unit if $goes && !$stays && !$holds;
	}
	my @into = grep { $goes{$_} } @names;
	$self->write_as_steward($s, 'update', $row, { map { $_ => $proposed->{$_} } @into }, @into) if @into;
	return grep { $said->($r->{column}{$_}) } @into, grep { $same{$_} && !$goes{$_} } @names;
}

# accept(..., pin => true)
sub pin_accepted
{
	my ($self, $s, $key, @names) = @_;
	my @columns = grep { my $c = $_; !$c->{key} && grep { defined } $self->{map}{ $c->{name} }{owner}, map { $_->[2] } @{ $c->{rules} // [] } }
	  map { $self->{round}{column}{$_} } @names;

	if (!@columns) { $self->{errors}{55000} = 1; return; }
	my $row = $self->{rows}{$key};
	if (!$row) { $self->{errors}{P0002} = 1; return; }
	$self->store_pins($key, $row, 0, undef, 0, $self->{round}->one_value($_)) for @columns;
	return;
}

# apply_waiting(): what waits although its row is there.
sub apply_waiting
{
	my ($self, $s) = @_;
	my %keys = map { $_->{key} => 1 } grep { !defined $_->{resolution} } values %{ $self->{waiting} };

	if ($s->{enforcement} ne 'on') { $self->{errors}{55000} = 1; return; }
	return if !$self->waits($s);
	$self->land_in({ %$s, by_hand => 1 }, $_) for sort keys %keys;
	return;
}

package Oracle::Round;

# A decision about evidence that is open, most often about what waits.
sub make_decision
{
	my ($self, $model) = @_;
	my %s = (kind => 'decision', action => 'apply', writer => 'superuser', enforcement => chance(0.9) ? 'on' : pick(qw(off observe)), lift => chance(0.7) ? 'on' : 'off', wrap => 'plain');
	my @waiting = $model->open_waiting;
	# the model does not know all values of the others
	my @refused = grep { !$_->{made} && keys %{ $_->{row_key} } == @{ $self->{keys} } } $model->open_refusals;
	my @some = !@waiting ? @refused : !@refused ? @waiting : chance(0.5) ? @waiting : @refused;

	my @there = grep { $model->{rows}{ $_->{key} } } @waiting;
	return \%s if !@some || chance(@there ? 0.5 : 0.1);
	# something else was proposed since
	my @old = grep { my %gone = $model->superseded($_); %gone } @refused;
	return $self->decide_on(pick(@old), %s) if @old && chance(0.25);
	# a row that was refused, and is there by now
	my @met = grep { $_->{operation} eq 'INSERT' && $_->{outcome} eq 'discarded' && $model->{rows}{ $self->key_of($_->{row_key}) } } @refused;
	return $self->decide_on(pick(@met), %s) if @met && chance(0.25);
	return $self->decide_on(@there && chance(0.6) ? pick(@there) : chance(0.5) ? $some[-1] : pick(@some), %s);
}

# accept() or dismiss() of a piece of evidence.
sub decide_on
{
	my ($self, $e, %s) = @_;
	my $of = { (map { $_ => $e->{$_} } qw(operation system role row_key)), outcome => Oracle::Model::outcome_of($e), identity => Oracle::Model::identity_of($e) };
	$of->{columns} = [ sort @{ $e->{columns} // [ keys %{ $e->{values} } ] } ];
	$of->{values} = $e->{proposed} // $e->{values} // {};
	return { %s, of => $of, action => chance(0.85) ? 'accept' : 'dismiss', pin => $self->{with}{pins} && !defined $self->{source} && chance(0.4) ? 1 : 0 };
}

# A row for which something waits is made while the guard is off, and then what waits is
# applied; none if nothing waits.
sub make_missed
{
	my ($self, $model) = @_;
	my @waiting = grep { !$model->{rows}{ $_->{key} } } $model->open_waiting;
	my ($insert, $decision);

	return if !@waiting;
	my $w = pick(@waiting);
	do { $insert = $self->make_statement($model); } while ($insert->{kind} !~ /^(insert|copy|upsert)$/ || defined $insert->{into} || $insert->{start} || !@{ $insert->{rows} });
	$insert->{rows} = [ { %{ $insert->{rows}[0] }, %{ $w->{row_key} } } ];
	$insert->{enforcement} = 'off';
	do { $decision = $self->make_decision($model); } while ($decision->{action} ne 'apply');
	$decision = $self->decide_on($w, %$decision) if chance(0.4);
	return ($insert, $decision);
}

sub decision_sql
{
	my ($self, $s) = @_;
	my $of = $s->{of};
	return "SELECT ownership.apply_waiting('fz.t') \\g /dev/null\n" if $s->{action} eq 'apply';
	my $row_key = Oracle::encode({ map { $_ => $_ eq 'id' ? $of->{row_key}{$_} + 0 : $of->{row_key}{$_} } keys %{ $of->{row_key} } });
	my $id = "SELECT id FROM ownership.conflict WHERE resolved_at IS NULL AND (table_schema, table_name) = ('fz', 't')"
	  . join('', map { " AND $_ IS NOT DISTINCT FROM " . Oracle::quote($of->{$_}) } qw(operation outcome system role))
	  . ' AND row_key = ' . Oracle::quote($row_key)
	  . ' AND ARRAY(SELECT c::text COLLATE "C" FROM unnest(columns) c ORDER BY 1) = ARRAY[' . join(', ', map { Oracle::quote($_) } @{ $of->{columns} }) . ']::text[]'
	  . ' AND coalesce(proposed, stored) @> ' . ($of->{operation} eq 'DELETE' && $of->{outcome} eq 'discarded' ? "'{}'" : Oracle::quote(Oracle::encode({ map { $_ => ref $of->{values}{$_} ? $of->{values}{$_} : defined $of->{values}{$_} ? "$of->{values}{$_}" : undef } keys %{ $of->{values} } })))
	  . " AND recorded_at > '-infinity' ORDER BY id DESC LIMIT 1";

	return "SELECT ownership.$s->{action}(($id)" . ($s->{pin} && $s->{action} eq 'accept' ? ', pin => true' : '') . ") \\g /dev/null\n";
}

1;
