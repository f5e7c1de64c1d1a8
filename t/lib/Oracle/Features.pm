# What a round may have besides a table, its map and statements.  Each feature
# has a weight: the share of the rounds that have it.  Variables of the environment
# exclude features, or force them, to find the feature that a difference needs:
#
#   OWNERSHIP_FUZZ_WITHOUT="switches stamp"    no round has these
#   OWNERSHIP_FUZZ_ONLY="filters"              every round has these, and no others
package Oracle::Features;

use strict;
use warnings;

# The kinds of rounds that have it: r(ound), c(oncurrent), R(eplicated).
our %features = (
	# partitions that do not have the defaults of the table above them, and
	# statements that name a partition
	partition_defaults => { weight => 0.5, kinds => 'rcR' },
	# row filters that name their table, or pass its row to a function
	filters => { weight => 0.5, kinds => 'rcR' },
	# a BEFORE UPDATE trigger that derives a column, like "updated_at"
	stamp => { weight => 0.5, kinds => 'rcR' },
	# a BEFORE INSERT trigger that suppresses some rows, also rows that move there
	# from another partition
	suppress => { weight => 0.5, kinds => 'rcR' },
	# MERGE that moves rows and inserts others; CTEs with several writes
	combined => { weight => 0.5, kinds => 'r' },
	# triggers that write another shared table, as hubs have them: by upsert, or by
	# UPDATE and then INSERT; the trigger that suppresses rows may do so, too
	side => { weight => 0.5, kinds => 'rR' },
	# keys that the database makes, and values that a statement asks it to make: DEFAULT
	generated_keys => { weight => 0.4, kinds => 'rc' },
	defaults_named => { weight => 0.4, kinds => 'rc' },
	# a map that is edited while a statement waits in the middle
	map_midway => { weight => 0.5, kinds => 'c' },
	# fields that say what becomes of a change to a blank
	blanks => { weight => 0.4, kinds => 'rcR' },
	# columns that are one value together
	groups => { weight => 0.4, kinds => 'rcR' },
	# fields whose changes are recorded, whoever makes them
	history => { weight => 0.4, kinds => 'rcR' },
	# values that wait for rows: parked and remembered; without it, nothing waits
	waiting => { weight => 0.9, kinds => 'rcR' },
	# values that stewards hold against their systems of record
	pins => { weight => 0.4, kinds => 'rR' },
	# decisions about evidence: accept(), dismiss(), apply_waiting()
	decisions => { weight => 0.4, kinds => 'rR' },
	# time passes: what was remembered is over, and pins are due
	time => { weight => 0.3, kinds => 'r' },
	# a constraint that waiting values may violate
	unfitting => { weight => 0.3, kinds => 'rR' },
	# a feed that is the stream of another hub
	relays => { weight => 0.15, kinds => 'R' },
	# values whose text depends on settings of the session: money, regclass
	session_types => { weight => 0.3, kinds => 'rcR' },
	# settings and roles that are switched in the middle of a statement, and
	# sessions in replica role
	switches => { weight => 0.5, kinds => 'rcR' },
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
		# always draws, so that the same seed generates the same whatever is excluded
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

# Those that are "always" fire in replication workers, too.  Their names decide
# whether they fire before the guard's or after it.
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
		# a pin ends BEFORE a later trigger suppresses the row
		my ($n, $late) = (int(rand(3)), chance(0.4) && !$self->{with}{pins});
		my ($sql, $holds) = @{ pick(
			[ "NEW.id % 3 = $n", sub { $_[0]{id} % 3 == $n } ],
			[ "NEW.k = $n", sub { defined $_[0]{k} && $_[0]{k} == $n } ],
			[ 'true', sub { 1 } ]) };
		# mostly in one partition
		my @tables = map { $_->[0] } $self->partitions;
		my $table = @tables && ($sql eq 'true' || chance(0.8)) ? pick(@tables) : undef;

		# in a worker the guard judges before a later trigger fires
		$self->{suppress} = { sql => $sql, holds => $holds, table => $table, late => $late, always => !$late && chance(0.5) }
		  if defined $table || $sql ne 'true';
	}
	return;
}

# The side table, fz.l: a trigger writes a row of it for each written row of fz.t.
sub make_side
{
	my ($self) = @_;
	my $side = bless { table => 'l', layout => 'plain', with => { waiting => $self->{with}{waiting} }, writers => $self->{writers}, default_policy => $self->{default_policy} }, 'Oracle::Round';

	$side->add_column({ name => 'id', type => 'text', key => 1 });
	$side->add_column({ name => 'a', type => 'text', default => pick(undef, '7') });
	$side->add_column({ name => 'b', type => 'int', default => pick(undef, '0') });
	$side->{keys} = [ $side->{columns}[0] ];
	$side->make_defaults;
	for my $c (@{ $side->{columns} })
	{
		$c->{owner} = chance(0.15) ? undef : pick(@Oracle::Round::systems);
		$c->{policy} = pick(qw(observe fill create_only keep keep reject), undef);
	}
	# in a worker, PostgreSQL leaks memory for an AFTER trigger of a partition;
	# a BEFORE trigger of one fires twice for a row that moves
	my $plain = $self->{layout} eq 'plain';
	$self->{side} = {
		round => $side, before => $plain && chance(0.3), upserts => chance(0.5), definer => chance(0.3),
		always => ($plain || $self->letter ne 'R') && chance(0.9) };
	$self->{suppress}{route} = chance(0.5) if $self->{suppress} && !$self->{suppress}{late};
	return;
}

# The row of the side table that belongs to a row, as values of a statement.
sub side_row
{
	my ($self, $row) = @_;
	return { id => $row->{id} . ($row->{r} // ''), a => $row->{k}, b => $row->{id} % 3 };
}

sub side_write_sql
{
	my ($self) = @_;
	my $id = 'NEW.id::text' . ($self->{column}{r} ? ' || NEW.r' : '');
	my $insert = "INSERT INTO fz.l (id, a, b) VALUES ($id, NEW.k::text, NEW.id % 3)";

	return "$insert ON CONFLICT (id) DO UPDATE SET a = EXCLUDED.a, b = EXCLUDED.b;" if $self->{side}{upserts};
	return "UPDATE fz.l SET a = NEW.k::text, b = NEW.id % 3 WHERE id = $id; IF NOT FOUND THEN $insert; END IF;";
}

sub side_sql
{
	my ($self) = @_;
	my $t = $self->{side} or return '';
	my @columns = @{ $t->{round}{columns} };

	return
		'CREATE TABLE fz.l (' . join(', ', map { $t->{round}->column_sql($_) } @columns) . ", PRIMARY KEY (id));\n"
	  . trigger_sql('a_tell', ($t->{before} ? 'BEFORE' : 'AFTER') . ' INSERT OR UPDATE', 'fz.t', $t->{always}, $self->side_write_sql . ' RETURN NEW;')
	  . ($t->{definer} ? "ALTER FUNCTION fz.a_tell() SECURITY DEFINER;\n" : '');
}

sub side_map_sql
{
	my ($self) = @_;
	return '' if !$self->{side};
	return join('', map { sprintf("SELECT ownership.assign('fz.l', '{%s}', %s, policy => %s);\n", $_->{name}, map { Oracle::quote($_) } @$_{qw(owner policy)}) }
		  @{ $self->{side}{round}{columns} });
}

# What a table remembers, and for how long.  Without the index, as before its version
# of the extension's tables, no values wait.
sub waiting_map_sql
{
	my ($self) = @_;
	return "DROP INDEX ownership.conflict_waiting_idx;\n" if !$self->{with}{waiting};
	return join('',
		map { sprintf("UPDATE ownership.field SET sensitive = true WHERE entity = 'fz.t' AND name = %s;\n", Oracle::quote($_->{name})) }
		  grep { $_->{sensitive} } @{ $self->{columns} })
	  . (defined $self->{remember} ? "UPDATE ownership.mirrored_table SET remember = '$self->{remember}' WHERE table_name = 't';\n" : '');
}

# Lets the statement make rows for which something waits, or delete rows; mostly as
# the owner of the key, who may.
sub make_awaited
{
	my ($self, $model, $s) = @_;
	my %open = map { $_->{key} => $_->{row_key} } grep { !defined $_->{resolution} } values %{ $model->{waiting} };
	my @keys = map { $open{$_} } sort keys %open;
	my $owner = $model->{map}{id}{owner};

	# rows that the hub has and the source does not
	if ($self->{hub})
	{
		my ($there, $sent) = ($model->{rows}, $model->{source}{rows});
		my @met = map { my $row = $there->{$_}; +{ map { $_->{name} => $row->{ $_->{name} } } @{ $self->{keys} } } } grep { !$sent->{$_} } sort keys %$there;
		@keys = @met if @met && chance(0.6);
	}
	return if $s->{kind} !~ /^(insert|upsert|nothing|copy|merge|rekey|delete)$/ || chance(0.4);
	$s->{writer} = chance(0.2) ? pick('steward', 'superuser') : $owner if defined $owner && chance(0.6);
	$s->{enforcement} = 'on' if chance(0.8);
	return if !@keys;
	if ($s->{rows})
	{
		my %taken;

		for my $row (@{ $s->{rows} })
		{
			$row = { %$row, %{ pick(@keys) } } if chance(0.8);
			# or the same value, or a part of a group
			my ($w) = chance(0.3) ? grep { keys %{ $_->{values} } } $model->waiting_for($self->key_of($row)) : ();
			for my $c ($w ? grep { exists $w->{values}{ $_->{name} } && defined $row->{ $_->{name} } } @{ $s->{named} } : ())
			{
				my $value = $w->{values}{ $c->{name} };
				$row->{ $c->{name} } = $value if chance(0.6) && (defined $value || !$c->{not_null});
			}
		}
		$s->{rows} = [ grep { !$taken{ $_->{id} }++ } @{ $s->{rows} } ];
	}
	elsif ($s->{kind} eq 'rekey' && chance(0.7))
	{
		my $key = pick(@keys);

		$s->{to} = { map { $_->{name} => $key->{ $_->{name} } } @{ $s->{set} } };
		$s->{r} = $key->{r} if defined $s->{r} && $s->{set}[0]{name} eq 'id';
		$s->{ids} = [ $key->{id} ] if $s->{set}[0]{name} eq 'r';
	}
	return;
}

# A transaction that deletes a row and makes it again; none if there is no row.
sub make_reload
{
	my ($self, $model) = @_;
	my @rows = map { $model->{rows}{$_} } sort keys %{ $model->{rows} };
	my ($delete, $insert);

	return if !@rows || @{ $model->{saved} };
	my $row = pick(@rows);
	do { $delete = $self->make_statement($model); } while ($delete->{kind} ne 'delete' || defined $delete->{into});
	do { $insert = $self->make_statement($model); } while ($insert->{kind} !~ /^(insert|copy|upsert)$/ || defined $insert->{into} || $insert->{start});
	$delete->{ids} = [ $row->{id} ];
	$insert->{rows} = [ { %{ $insert->{rows}[0] }, map { $_->{name} => $row->{ $_->{name} } } @{ $self->{keys} } } ];
	$_->{enforcement} = 'on' for $delete, $insert;
	$_->{writer} = $model->{map}{id}{owner} // $_->{writer} for $delete, $insert;
	return ({ kind => 'transaction', action => 'begin' }, $delete, $insert, { kind => 'transaction', action => pick(qw(commit commit rollback)) });
}

# The INSERT leaves the id to the database: an identity, a serial, or a function
# like those for UUIDs.  The model knows the ids: the sequence is set before each.
sub make_unnamed
{
	my ($self, $model, $s) = @_;
	my $id = $self->{column}{id};
	my $sent = $self->{sent}{ $s->{kind} };

	# the same rows again, as a client sends them that tries again
	if ($sent && chance(0.4))
	{
		@$s{qw(named set)} = @$sent{qw(named set)};
		$s->{rows} = [ map { {%$_} } @{ $sent->{rows} } ];
	}
	$self->{sent}{ $s->{kind} } = {%$s};
	$s->{start} = 100 + 10 * $self->{starts}++;
	# a key that the database makes is no reason to bring anything back
	my @awaited = grep { $_ > 0 } map { $_->{row_key}{id} } grep { !defined $_->{resolution} } map { $model->{waiting}{$_} } sort keys %{ $model->{waiting} };
	$s->{start} = pick(@awaited) if @awaited && @{ $s->{rows} } == 1 && chance(0.3);
	$_->[1]{id} = $s->{start} + $_->[0] for map { [ $_, $s->{rows}[$_] ] } 0 .. $#{ $s->{rows} };
	delete $s->{into};
	if ($self->{generate} =~ /^identity/ && $s->{kind} =~ /^(insert|upsert)$/ && chance(0.3))
	{
		# the statement names the id, but PostgreSQL ignores the value
		$s->{overriding} = 'USER';
		$s->{wrap} = 'plain' if $s->{wrap} eq 'view';
	}
	$s->{named} = [ grep { $_ != $id } @{ $s->{named} } ];
	return;
}

sub id_default
{
	my ($self) = @_;
	return {
		serial => "DEFAULT nextval('fz.ids')",
		identity => 'GENERATED BY DEFAULT AS IDENTITY (SEQUENCE NAME fz.ids)',
		always => 'GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME fz.ids)',
		function => 'DEFAULT fz.next_id()' }->{ $self->{generate} };
}

sub generate_sql
{
	my ($self) = @_;
	return '' if !$self->{generate} || $self->{generate} =~ /^(identity|always)$/;
	return "CREATE SEQUENCE fz.ids;\nCREATE FUNCTION fz.next_id() RETURNS int LANGUAGE plpgsql VOLATILE AS 'BEGIN RETURN nextval(''fz.ids''); END';\n";
}

# A setting that is switched while a statement runs: its name and value; by: what
# calls the switch; local: for the transaction only.  It changes nothing in the
# result: a statement is judged by what was set when it began.
sub make_switch
{
	my ($self, $s) = @_;
	# the statement of a trigger that writes the side table would begin after the switch
	return if $self->{side};
	my @users = grep { $_ && !$_->{always} } @{$self}{qw(stamp suppress)};
	my $by_row = $s->{kind} eq 'update' ? 'set' : $s->{kind} =~ /^(insert|upsert|nothing)$/ ? 'values' : 'check';

	# with session_replication_role, PostgreSQL decides whether such triggers fire
	$s->{replica} = 1 if !@users && chance(0.2);
	return if chance(0.4);
	my ($name, $value) = @{ pick(
		[ 'ownership.enforcement', pick(qw(on off off observe)) ],
		[ 'ownership.system', pick(@Oracle::Round::systems, '') ],
		@users ? () : ([ 'session_replication_role', $s->{replica} ? 'origin' : 'replica' ]) x 2,
		$s->{wrap} eq 'definer' ? () : [ 'role', 'fz_' . pick(@Oracle::Round::systems, qw(nobody steward)) ]) };
	$s->{switch} = { name => $name, value => $value, local => pick(qw(true false)), by => pick('before', 'late', 'check', $by_row,
			$s->{kind} =~ /^(insert|upsert|nothing|update|rekey|delete)$/ ? ('returning') x 3 : ()) };
	return;
}

sub switch_sql
{
	my ($switch) = @_;
	return "set_config('$switch->{name}', '$switch->{value}', $switch->{local})";
}

# The settings that fz.switch() reads, which triggers and the constraint call.
sub switch_settings
{
	my ($switch) = @_;
	return '' if $switch->{by} !~ /^(before|late|check)$/;
	return "SET fz.by = '$switch->{by}'; SET fz.switch = '$switch->{name}'; SET fz.value = '$switch->{value}'; SET fz.local = $switch->{local};\n";
}

# Does a user's trigger suppress the row?
sub suppressed
{
	my ($self, $writer, $row) = @_;
	my $t = $self->{suppress};
	return $self->fires($t, $writer) && $self->within($row, $t->{table}) && $t->{holds}->($row);
}

# Does a user's trigger fire after the guard's when a worker writes the row?
sub fires_later
{
	my ($self, $writer, $row, $event) = @_;
	my $t = $self->{suppress};
	return $self->{with}{switches} || ($event eq 'INSERT' && $t && $t->{late} && $self->fires($t, $writer) && $self->within($row, $t->{table}));
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
			$t->{always}, "IF $t->{sql} THEN " . ($t->{route} ? $self->side_write_sql : '') . " RETURN NULL; END IF; RETURN NEW;");
	}
	if ($self->{with}{switches})
	{
		for my $t ([ 'a_switch', 'before' ], [ 'zzzzz_switch', 'late' ])
		{
			$sql .= trigger_sql($t->[0], 'BEFORE INSERT OR UPDATE OR DELETE', 'fz.t', 1,
				"PERFORM fz.switch('$t->[1]'); RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;");
		}
		$sql .= "ALTER TABLE fz.t ADD CONSTRAINT c CHECK (fz.switch('check'));\n";
	}
	return $sql;
}

sub switches_sql
{
	my ($self) = @_;
	return '' if !$self->{with}{switches};
	return <<'END';
CREATE FUNCTION fz.switch(by text) RETURNS boolean LANGUAGE plpgsql AS '
BEGIN
	IF current_setting(''fz.by'', true) = by THEN
		PERFORM set_config(current_setting(''fz.switch''), current_setting(''fz.value''), current_setting(''fz.local'')::boolean);
	END IF;
	RETURN true;
END';
END
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
