# Rounds over replication: a source without a guard publishes fz.t, and a hub with a
# map subscribes to it.  Statements are transactions of the source, and ordinary
# statements of other writers on the hub.
package Oracle::Replicated;

use strict;
use warnings;

use Oracle;
use PostgreSQL::Test::Utils;

our @ISA = qw(Oracle::Round);

sub chance { return Oracle::Round::chance(@_); }
sub pick { return Oracle::Round::pick(@_); }

sub layouts { return qw(plain range list nested nested); }

# Adds a column with a computed default: the guard decides by it what a feed wrote.
sub make_table
{
	my ($self) = @_;
	my $stamp = { name => 'stamp', type => 'int', values => $Oracle::types{int}{values}, default => '7', computed => pick(qw(volatile stable)) };

	$self->SUPER::make_table;
	$self->add_column($stamp);
	$self->make_defaults;
	# those of the new column are drawn with the others
	for my $c (grep { defined $_->{unfit} } @{ $self->{columns} })
	{
		delete $c->{unfit} if grep { ($_->{ $c->{name} }{value} // '') eq $c->{unfit} } values %{ $self->{defaults} };
	}
	return;
}

# The identity of the feed, and what it sends.
sub make_map
{
	my ($self) = @_;

	$self->SUPER::make_map;
	my $kind = $self->{with}{relays} ? 'relay' : pick(qw(system system system nobody steward carrier));
	my $feed = $self->{feed} = { role => 'postgres', worker => 1, kind => $kind, strict => chance(0.25) };
	$feed->{system} = $feed->{named} = pick(@Oracle::Round::systems) if $kind eq 'system';
	$feed->{system} = $self->{source} if $kind eq 'carrier';
	$feed->{steward} = 1 if $kind eq 'steward';
	$feed->{relay} = 1 if $kind eq 'relay';
	$feed->{strict} = 0 if $kind eq 'nobody';
	$self->{writers} = { %{ $self->{writers} }, feed => $feed };

	$self->{published} = [ grep { !$_->{derived} && ($_->{key} || $_->{not_null} || chance($self->{with}{waiting} ? 0.65 : 0.8)) } @{ $self->{columns} } ];
	$self->{truncates} = chance(0.5);
	# the binary form of reg* contains OIDs, which differ at the source
	my $binary = !grep { $_->{type} =~ /^(reg|fz\.priced)/ } @{ $self->{published} };
	$self->{options} = join(', ', (chance(0.3) && $binary ? 'binary = true' : ()), (chance(0.3) ? 'streaming = true' : ()));
	$self->{full} = chance(0.3);
	return;
}

sub letter { return 'R'; }

sub make_model { return Oracle::Hub->new($_[0]); }

# The first statement is the subscription, which copies the rows of the source, or
# finds them at the hub already: also rows that the feed may not create.
sub make_statements
{
	my ($self, $model) = @_;
	my %sync = (kind => 'sync', writer => 'feed', enforcement => 'on', rows => [], named => $self->{published});

	# an error in the first copy would be repeated for ever
	$self->{seeded} = $self->{feed}{strict} || chance(0.5);
	@sync{qw(writer enforcement)} = qw(superuser off) if $self->{seeded};
	$sync{rows} = [ map { $self->new_row($_, $sync{named}) } $self->ids($model, int(rand(8))) ];
	# others have made some rows before
	$sync{there} = [ map { { %{ $self->new_row($_->{id}, $self->{columns}) }, $_->{r} && chance(0.8) ? (r => $_->{r}) : () } } grep { chance(0.4) } @{ $sync{rows} } ]
	  if !$self->{seeded} && !defined $self->{source};
	for my $row (@{ $sync{rows} }, @{ $sync{there} // [] })
	{
		$row->{ $_->{name} } = $_->{default} for grep { !Oracle::Model::fits($_, $row->{ $_->{name} }) } @{ $self->{columns} };
	}
	$self->{always} = 1;
	$self->add_statement($model, \%sync);
	for (2 .. $self->{opt}{statements} // 40)
	{
		$self->add_statement($model, chance(0.7) ? $self->make_feed($model) : $self->make_statement($model));
	}
	return;
}

# A transaction of the source.
sub make_feed
{
	my ($self, $model) = @_;
	my @parts;

	local $self->{columns} = $self->{published};
	local $self->{hub} = $model;
	for (1 .. pick(1, 1, 1, 2, 3))
	{
		my $part;
		# more moves between partitions, which replication handles in a way of its
		# own, most of all with two levels of partitions
		my @rows = map { $model->{source}{rows}{$_} } sort keys %{ $model->{source}{rows} };
		my @deep = grep { ($self->partition($_))[0] =~ /^de_/ } @rows;
		my $move = @rows && chance(0.3);

		do { $part = $self->make_statement($model->{source}); } while ($move && $part->{kind} ne 'rekey');
		if ($move)
		{
			my $row = pick(@deep && chance(0.7) ? @deep : @rows);
			$part->{ids} = [ $row->{id} ];
			$part->{r} = $row->{r} if defined $row->{r};
		}
		$part->{wrap} = 'plain';
		# the source has no partitions
		delete @$part{qw(into switch replica)};
		push @parts, $part;
	}
	return { kind => 'feed', writer => 'feed', enforcement => 'on', parts => \@parts };
}

# No transactions at the hub: the feed would wait for their rows.
sub make_statement
{
	my ($self, $model) = @_;
	my $s;

	# a source may publish the key alone, and have nothing else to set
	do { $s = $self->SUPER::make_statement($model); }
	  while ($s->{kind} eq 'transaction' || (grep { !defined } @{ $s->{set} // [] })
		|| ($s->{kind} eq 'map' && ref $model eq 'Oracle::Source')
		|| ($s->{kind} eq 'truncate' && ref $model eq 'Oracle::Source' && !$self->{truncates}));
	return $s;
}

#
# As SQL
#

# Each step is a session of its own.
sub hub_session
{
	return "\\connect :\"hub\"\nSET client_min_messages = error;\n\\set ON_ERROR_ROLLBACK off\n";
}

sub setup_sql
{
	my ($self) = @_;
	my @published = @{ $self->{published} };
	my $sql = "SELECT current_database() AS hub, current_database() || '_source' AS source \\gset\n" . $self->SUPER::setup_sql;

	$sql .= <<'END';
CREATE TABLE fz.mark (n int PRIMARY KEY);
-- waits until the tables are copied
CREATE PROCEDURE fz.settle(INOUT outcome text) LANGUAGE plpgsql AS '
BEGIN
	outcome := ''00000'';
	WHILE EXISTS (SELECT FROM pg_subscription_rel WHERE srsubstate <> ''r'') LOOP
		IF NOT (SELECT subenabled FROM pg_subscription WHERE subname = ''fz_'' || current_database()) THEN
			outcome := ''stopped'';
			RETURN;
		END IF;
		COMMIT;
		PERFORM pg_sleep(0.01);
	END LOOP;
END';
-- waits until what the source has sent has arrived; skips a transaction that stops the stream
CREATE PROCEDURE fz.arrive(sent int, finished pg_lsn, INOUT outcome text) LANGUAGE plpgsql AS '
DECLARE
	feed oid := (SELECT oid FROM pg_subscription WHERE subname = ''fz_'' || current_database());
	patience timestamptz := clock_timestamp() + ''3 min'';
BEGIN
	outcome := ''00000'';
	WHILE NOT EXISTS (SELECT FROM fz.mark WHERE n = sent) LOOP
		IF clock_timestamp() > patience THEN
			outcome := ''late'';
			RETURN;
		END IF;
		IF NOT (SELECT subenabled FROM pg_subscription WHERE oid = feed) THEN
			outcome := ''stopped'';
			WHILE EXISTS (SELECT FROM pg_stat_subscription WHERE subid = feed AND pid IS NOT NULL)
				OR EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = current_database() || ''_source'' AND active) LOOP
				COMMIT;
				PERFORM pg_sleep(0.001);
			END LOOP;
			BEGIN
				PERFORM pg_replication_origin_advance(''pg_'' || feed, finished);
				EXECUTE format(''ALTER SUBSCRIPTION %I ENABLE'', ''fz_'' || current_database());
			EXCEPTION WHEN object_in_use THEN
				NULL; -- the worker is about to end
			END;
		END IF;
		COMMIT;
		PERFORM pg_sleep(0.001);
	END LOOP;
END';
END

	# the source: the columns that it publishes, and no guard
	my @defs = map {
			Oracle::Round::identifier($_->{name}) . " $_->{type}"
		  . (defined $_->{default} ? ' DEFAULT ' . Oracle::quote($_->{default}) : '')
		  . ($_->{not_null} ? ' NOT NULL' : '')
	} @published;
	my $key = join(', ', map { Oracle::Round::identifier($_->{name}) } @{ $self->{keys} });
	$sql .= "CREATE DATABASE :\"source\";\n"
	  # MERGE sends its rows in the order in which the statement names them
	  . join('', map { "ALTER DATABASE :\"source\" SET $_ = off;\n" } qw(enable_hashjoin enable_mergejoin))
	  . "\\connect :\"source\"\nCREATE SCHEMA fz;\n" . $self->types_sql;
	$sql .= 'CREATE TABLE fz.t (' . join(', ', @defs, "PRIMARY KEY ($key)") . ");\n";
	$sql .= 'ALTER TABLE fz.t ALTER ' . Oracle::Round::identifier($_->{name}) . " SET STORAGE EXTERNAL;\n"
	  for grep { $_->{type} eq 'bytea' } @published;
	$sql .= "ALTER TABLE fz.t REPLICA IDENTITY FULL;\n" if $self->{full};
	$sql .= Oracle::Round::check_sql(@published);
	$sql .= "CREATE TABLE fz.mark (n serial PRIMARY KEY);\n";
	$sql .= sprintf("CREATE PUBLICATION fz FOR TABLE fz.t, fz.mark WITH (publish = '%s');\n",
		'insert, update, delete' . ($self->{truncates} ? ', truncate' : ''));
	return $sql;
}

sub rows_sql
{
	my ($named, @rows) = @_;
	return '' if !@rows;
	return 'INSERT INTO fz.t (' . join(', ', map { Oracle::Round::identifier($_->{name}) } @$named) . ') VALUES '
	  . join(', ', map { Oracle::Round::tuple($_, undef, undef, @$named) } @rows) . ";\n";
}

sub sync_sql
{
	my ($self, $s) = @_;
	my $feed = $self->{feed};
	my $rows = rows_sql($s->{named}, @{ $s->{rows} });
	my $there = rows_sql($self->{columns}, @{ $s->{there} // [] });
	my $sql = $rows . "SELECT count(*) FROM pg_create_logical_replication_slot(:'source', 'pgoutput');\n" . hub_session();

	$sql .= "SET ownership.enforcement = off;\n" . ($self->{seeded} ? $rows : $there) . "RESET ownership.enforcement;\n";
	$sql .= "SELECT format('CREATE SUBSCRIPTION %I CONNECTION %L PUBLICATION fz WITH (%s)', 'fz_' || :'hub', "
	  . "format('host=%s port=%s user=%s dbname=%s', :'HOST', :'PORT', :'USER', :'source'), "
	  . "'slot_name = ' || :'source' || ', create_slot = false, enabled = false, disable_on_error = true"
	  . ($self->{seeded} ? ', copy_data = false' : '')
	  . ($self->{options} ? ", $self->{options}" : '') . "') \\gexec\n";
	$sql .= sprintf("SELECT ownership.identify(%s, subscription => 'fz_' || :'hub', strict => %s, steward => %s, carrier => %s, relay => %s) \\g /dev/null\n",
		Oracle::quote($feed->{named}), map { $_ ? 'true' : 'false' } $feed->{strict}, $feed->{steward}, $feed->{kind} eq 'carrier', $feed->{relay})
	  if $feed->{kind} ne 'nobody';
	return $sql . "SELECT format('ALTER SUBSCRIPTION %I ENABLE', 'fz_' || :'hub') \\gexec\nCALL fz.settle(NULL) \\gset\n";
}

sub step_sql
{
	my ($self, $s) = @_;

	return hub_session() . $self->SUPER::step_sql($s) if $s->{kind} !~ /^(feed|sync)$/;
	# where the copy failed, there is no stream to test
	return $self->sync_sql($s) . "\\set last 0\n\\echo \@S :outcome\n" . $self->look_sql
	  . "SELECT :'outcome' <> '00000' AS failed \\gset\n\\if :failed\n\\quit\n\\endif\n" if $s->{kind} eq 'sync';
	return
		hub_session()
	  . $self->mark_sql
	  . "\\connect :\"source\"\n\\set ON_ERROR_ROLLBACK on\nBEGIN;\n"
	  . join('', map { $self->to_sql($_) } @{ $s->{parts} })
	  . "COMMIT;\nSELECT pg_current_wal_lsn() AS finished \\gset\nINSERT INTO fz.mark DEFAULT VALUES RETURNING n AS mark \\gset\n"
	  . hub_session()
	  . "\\set outcome failed\nCALL fz.arrive(:mark, :'finished', NULL) \\gset\n\\echo \@S :outcome\n" . $self->look_sql;
}

#
# Running it
#

sub close_databases
{
	my ($self, $node, $db) = @_;

	$node->psql($db, "ALTER SUBSCRIPTION fz_$db DISABLE; ALTER SUBSCRIPTION fz_$db SET (slot_name = NONE); DROP SUBSCRIPTION fz_$db");
	$node->safe_psql('postgres', <<"END");
DO \$\$
DECLARE
	slot record;
BEGIN
	WHILE EXISTS (SELECT FROM pg_replication_slots WHERE database = '${db}_source') LOOP
		PERFORM pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE database = '${db}_source' AND active;
		PERFORM pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = '${db}_source' AND NOT active;
	END LOOP;
END\$\$
END
	$self->SUPER::close_databases($node, $db);
	$node->safe_psql('postgres', "DROP DATABASE IF EXISTS ${db}_source WITH (FORCE)");
	return;
}

# The errors of the worker, in their order: each stopped the stream.
sub errors_in
{
	my ($self, $node, $db, $offset) = @_;
	return [ slurp_file($node->logfile, $offset) =~ /^logical replication [^|]*\|\|(\w{5})\|ERROR/mg ];
}

sub same_error
{
	my ($self, $s, $state, $errors, $log) = @_;

	return $self->SUPER::same_error($s, $state, $errors, $log) if $s->{kind} ne 'feed';
	return undef if $state eq '00000' && !%$errors;
	$state = shift @$log // '?' if $state eq 'stopped';
	return $errors->{$state} ? undef : 'expected the stream ' . (%$errors ? 'to stop by ' . join(' or ', sort keys %$errors) : 'to go on') . ", got $state";
}

# The table of the source, without a guard, and its changes.
package Oracle::Source;

use strict;
use warnings;

our @ISA = qw(Oracle::Model);

sub insert
{
	my ($self, $s, $given) = @_;
	my $r = $self->{round};
	my %named = map { $_->{name} => 1 } @{ $s->{named} };
	my %row = map { $_->{name} => $named{ $_->{name} } ? $given->{ $_->{name} } : $_->{default} } @{ $r->{published} };

	$self->{errors}{23505} = 1 if $self->{rows}{ $r->key_of(\%row) };
	return if !$self->check($s, \%row) || %{ $self->{errors} };
	$self->{rows}{ $r->key_of(\%row) } = \%row;
	push @{ $self->{changes} }, { operation => 'insert', new => \%row, sent => $r->{published} };
	return;
}

sub update
{
	my ($self, $s, $stored, $to, @set) = @_;
	my $r = $self->{round};
	my %new = (%$stored, map { $_->{name} => $to->{ $_->{name} } } @set);
	my ($was, $is) = ($r->key_of($stored), $r->key_of(\%new));
	my %set = map { $_->{name} => 1 } @set;

	$self->{errors}{23505} = 1 if $was ne $is && $self->{rows}{$is};
	return if !$self->check($s, \%new) || %{ $self->{errors} };
	delete $self->{rows}{$was};
	$self->{rows}{$is} = \%new;
	# an unchanged value that is stored out of line is not sent
	my @sent = grep { $set{ $_->{name} } || $_->{type} ne 'bytea' || length($new{ $_->{name} } // '') < 4000 } @{ $r->{published} };
	push @{ $self->{changes} }, { operation => 'update', old => $stored, new => \%new, sent => \@sent };
	return;
}

sub delete
{
	my ($self, $s, $stored) = @_;

	delete $self->{rows}{ $self->{round}->key_of($stored) };
	push @{ $self->{changes} }, { operation => 'delete', old => $stored };
	return;
}

sub truncate
{
	my ($self) = @_;

	$self->{rows} = {};
	push @{ $self->{changes} }, { operation => 'truncate' };
	return;
}

# The source has no users' triggers.
sub not_tried { return 0; }

# What a transaction sends; a statement that fails sends nothing.
sub changes
{
	my ($self, @parts) = @_;
	my @changes;

	for my $part (@parts)
	{
		$self->{changes} = [];
		my $result = $self->predict($part);
		push @changes, @{ $self->{changes} } if !%{ $result->{errors} };
	}
	return @changes;
}

# The model of the hub.
package Oracle::Hub;

use strict;
use warnings;

our @ISA = qw(Oracle::Model);

sub new
{
	my ($class, $round) = @_;
	my $self = $class->SUPER::new($round);

	$self->{source} = Oracle::Source->new($round);
	$self->{known} = {};
	return $self;
}

sub predict
{
	my ($self, $s) = @_;
	my @changes;

	return $self->SUPER::predict($s) if $s->{kind} !~ /^(feed|sync)$/;
	@changes = $self->{source}->changes($s->{kind} eq 'feed' ? @{ $s->{parts} } : { %$s, kind => 'insert' });
	my $result = $self->trial(
		sub {
			$self->SUPER::insert({ %$s, kind => 'insert', writer => 'superuser', enforcement => 'off', named => $self->{round}{columns} }, $_)
			  for @{ $s->{there} // [] };
			for my $change (@changes)
			{
				my ($operation, $old, $new, $sent) = @$change{qw(operation old new sent)};
				my $stored = $old && $self->{rows}{ $self->{round}->key_of($old) };

				# PostgreSQL skips a change of a row that does not exist
				next if $old && !$stored;
				if ($operation eq 'insert') { $self->insert({ %$s, named => $sent }, $new, unprobed => 1); }
				elsif ($operation eq 'update') { $self->update($s, $stored, $new, @$sent); }
				elsif ($operation eq 'delete') { $self->delete($s, $stored); }
				else { $self->truncate($s); }
				return if %{ $self->{errors} };
			}
			$self->land;
		});
	$self->end_transaction;
	return $result;
}

sub copy_state
{
	my ($self) = @_;
	return { %{ $self->SUPER::copy_state }, known => { %{ $self->{known} } } };
}

sub restore
{
	my ($self, $state) = @_;
	$self->SUPER::restore($state);
	$self->{known} = $state->{known};
	return;
}

# A replicated INSERT in a shared table; if its row is there, it is an UPDATE of that.
sub insert
{
	my ($self, $s, $given, %opt) = @_;
	my $r = $self->{round};
	my $system = $self->writer($s)->{system};
	my %named = map { $_->{name} => 1 } @{ $s->{named} };
	my $row = $self->new_row($s, $given);
	my $stored = $self->{rows}{ $r->key_of($row) };

	return $self->SUPER::insert($s, $given, %opt) if !$self->writer($s)->{worker} || defined $r->{source};
	# the first copy says what the feed publishes
	if ($s->{kind} eq 'sync' && !$r->suppressed($self->writer($s), $row)) { $self->{known}{$_} = 1 for keys %named; }
	return $self->SUPER::insert($s, $given, %opt) if !$stored;
	return if !$self->before($s, $row);
	my @written = grep {
		my $value = $row->{ $_->{name} };
		my $own = defined $system && ($self->owner($_, $stored) // '') eq $system && $self->{known}{ $_->{name} };
		!$_->{key} && ($own || (defined $value && $self->writes($s, $_, $value, $named{ $_->{name} })))
	} @{ $r->{columns} };
	$self->update($s, $stored, $row, @written) if @written;
	return;
}

# The feed is known to publish what its UPDATEs name; triggers for UPDATE see no moves.
sub update
{
	my ($self, $s, $stored, $to, @set) = @_;
	my $r = $self->{round};
	my %new = (%$stored, map { $_->{name} => $to->{ $_->{name} } } @set);

	if ($self->writer($s)->{worker} && !defined $r->{source} && ($r->partition($stored))[0] eq ($r->partition(\%new))[0])
	{
		$self->{known}{ $_->{name} } = 1 for @set;
	}
	return $self->SUPER::update($s, $stored, $to, @set);
}

1;
