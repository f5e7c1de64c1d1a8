# Rounds of races: a transaction writes, a statement of another session writes the
# same rows, the transaction ends.  PostgreSQL decides whether the second statement
# waits; the model predicts the result for both cases.
package Oracle::Concurrent;

use strict;
use warnings;

use IPC::Open2;
use Oracle;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(sleep);

our @ISA = qw(Oracle::Round);

sub chance { return Oracle::Round::chance(@_); }
sub pick { return Oracle::Round::pick(@_); }

sub letter { return 'c'; }

sub make_model { return Oracle::Races->new($_[0]); }

sub make_statements
{
	my ($self, $model) = @_;

	for (1 .. $self->{opt}{statements} // 40)
	{
		$self->add_statement($model, chance(0.3) ? $self->make_statement($model) : $self->make_race($model));
	}
	return;
}

# A race:
#   first      statements of a transaction, all of them of the map or none
#   second     the statement of the other session
#   end        of the transaction
#   isolation  of the second
#   meanwhile  an edit of the map, committed while the second waits
sub make_race
{
	my ($self, $model) = @_;
	my $of_map = chance(0.15);
	my @first = map { $self->make_one($model, sub { $_[0] eq 'map' ? $of_map : !$of_map && $_[0] ne 'truncate' }) } 1 .. pick(1, 1, 2, 3);
	# mostly rows that one makes or deletes, and the other makes or writes something of
	my $births = $self->{with}{waiting} && !$of_map && chance(0.4);
	@first = ($self->make_one($model, sub { $_[0] =~ /^(insert|upsert|copy|delete)$/ })) if $births;
	my $second = $self->make_one($model, sub { $births ? $_[0] =~ /^(insert|upsert|copy|copy|merge)$/ : $_[0] ne 'map' });
	$self->make_birth($model, $first[0], $second) if $births && chance(0.8);
	my $isolation = chance(0.25) ? 'repeatable read' : 'read committed';

	# the same statement, sent twice
	return { kind => 'race', first => \@first, second => pick(@first), isolation => $isolation, end => chance(0.5) ? 'COMMIT' : 'ROLLBACK' }
	  if !$of_map && chance(0.2);

	# mostly the same rows
	my %ids = map { $_ => 1 } map { $_->{rows} ? map { $_->{id} } @{ $_->{rows} } : @{ $_->{ids} // [] } } @first;
	if (%ids && chance(0.8))
	{
		my @ids = sort { $a <=> $b } keys %ids;
		$second->{ids} = [ Oracle::Round::some(@ids) ] if $second->{ids};
		if ($second->{rows} && !$second->{start})
		{
			my %taken = map { $_->{id} => 1 } @{ $second->{rows} };
			for my $row (@{ $second->{rows} })
			{
				my $id = pick(@ids);
				next if $taken{$id}++ || !$self->within({ %$row, id => $id }, $second->{into});
				$row->{id} = $id;
			}
		}
	}
	my $meanwhile = $self->{with}{map_midway} && !$of_map && $second->{kind} ne 'truncate' && chance(0.5) ? $self->make_one($model, sub { $_[0] eq 'map' }) : undef;
	return {
		kind => 'race', first => \@first, second => $second, isolation => $isolation, meanwhile => $meanwhile,
		end => chance(0.7) ? 'COMMIT' : 'ROLLBACK' };
}

# One of two writers is the owner of the key, and the other is not.
sub make_birth
{
	my ($self, $model, @both) = @_;
	my $owner = $model->{map}{id}{owner} // return;

	@both = reverse @both if $both[0]{kind} ne 'delete' && chance(0.5);
	$both[0]{writer} = $owner;
	$both[1]{writer} = pick(grep { $_ ne $owner } @Oracle::Round::systems);
	$_->{enforcement} = 'on' for @both;
	return;
}

sub make_one
{
	my ($self, $model, $wanted) = @_;
	my $s;

	do { $s = $self->make_statement($model); } while (!$wanted->($s->{kind}));
	return $s;
}

sub make_statement
{
	my ($self, $model) = @_;
	my $s;

	do { $s = $self->SUPER::make_statement($model); } while ($s->{kind} eq 'transaction');
	return $s;
}

# The steps to repeat a race by hand, in two sessions.
sub step_sql
{
	my ($self, $s) = @_;

	return $self->SUPER::step_sql($s) if $s->{kind} ne 'race';
	return "-- one session\nBEGIN;\n" . join('', map { $self->act_sql($_) } @{ $s->{first} })
	  . "-- another session\nSET default_transaction_isolation = '$s->{isolation}';\n" . $self->act_sql($s->{second})
	  . ($s->{meanwhile} ? "-- a third, while the second waits\n" . $self->act_sql($s->{meanwhile}) : '')
	  . "-- the first\n$s->{end};\n";
}

#
# Running it
#

sub differs
{
	my ($self, $node, @statements) = @_;
	my $db = $self->open_database($node);
	my $diff = $self->race($node, $db, @statements);

	$self->close_databases($node, $db);
	return $diff;
}

sub race
{
	my ($self, $node, $db, @statements) = @_;
	my $model = $self->make_model;
	my $setup = eval { Oracle::Session->new($node, $db)->run($self->setup_sql . "\\echo \@START\n") } // $@;
	my ($one, $other, $look) = map { Oracle::Session->new($node, $db) } 1 .. 3;
	my ($pid, $blocker) = map { $_->run("SELECT pg_backend_pid();\n") =~ s/\s//gr } $other, $one;

	return "the set-up failed: $setup" if $setup !~ /\@START\n/;
	for my $i (0 .. $#statements)
	{
		my $s = $statements[$i];
		my @acts = $s->{kind} eq 'race' ? (@{ $s->{first} }, $s->{second}) : ($s);
		my ($said, $waited);

		$self->{last} = $i + 1;
		$look->run($self->mark_sql);
		if ($s->{kind} eq 'race')
		{
			my $isolation = "SET default_transaction_isolation = '$s->{isolation}';\n";

			$said = $one->run("BEGIN;\n" . join('', map { $self->act_sql($_) } @{ $s->{first} }));
			$other->send($isolation . $self->act_sql($s->{second}));
			until ($other->done(0.01) || $waited)
			{
				$waited = $look->run("SELECT $blocker = ANY (pg_blocking_pids($pid));\n") =~ /^t/;
			}
			$look->run($self->act_sql($s->{meanwhile})) if $waited && $s->{meanwhile};
			$one->run("$s->{end};\n");
			$said .= $other->wait;
		}
		else { $said = $one->run($self->act_sql($s)); }

		my $expected = $model->predict($s, $waited);
		my @states = $said =~ /^\@S (\w+)/mg;
		my @errors = $s->{kind} eq 'race' ? @{ $expected->{errors} } : $expected->{errors};
		my $diff = @states == @acts ? undef : "only " . scalar(@states) . " statements were run";
		$diff //= $self->same_error($acts[$_], $states[$_], $errors[$_]) for 0 .. $#acts;
		$diff //= $self->same_state($model, $expected->{evidence}, $look->run($self->look_sql));
		return "$diff\n(" . ($waited ? 'the second waited' : 'the second did not wait') . ")\n" . $self->step_sql($s) if defined $diff;
	}
	return undef;
}

# A psql in the background.
package Oracle::Session;

use strict;
use warnings;

use IPC::Open2;

sub new
{
	my ($class, $node, $db) = @_;
	my $self = bless { output => '', n => 0 }, $class;
	my @command = ('psql', '-XAtq', '-v', 'ON_ERROR_STOP=0', '-P', 'null=\\N', '-d', $node->connstr($db));

	$self->{pid} = open2($self->{out}, $self->{in}, 'sh', '-c', 'exec "$@" 2>/dev/null', 'sh', @command);
	binmode($self->{in}, ':utf8');
	$self->{in}->autoflush(1);
	$self->run("SET client_min_messages = error;\n\\set ON_ERROR_ROLLBACK on\n");
	return $self;
}

sub send
{
	my ($self, $sql) = @_;

	$self->{n}++;
	print { $self->{in} } "$sql\\echo \@END $self->{n}\n";
	return;
}

# Has psql finished all that was sent?  Waits at most this number of seconds.
sub done
{
	my ($self, $seconds) = @_;
	my $end = "\@END $self->{n}\n";

	for (;;)
	{
		return 1 if $self->{output} =~ /^\Q$end\E\z/m;
		my $in = '';
		vec($in, fileno($self->{out}), 1) = 1;
		return 0 if !select($in, undef, undef, $seconds);
		die "psql ended" if !sysread($self->{out}, $self->{output}, 65536, length $self->{output});
	}
}

# Waits until psql has finished; returns its output.
sub wait
{
	my ($self) = @_;

	die "psql does not answer" if !$self->done(180);
	my $output = $self->{output};
	$self->{output} = '';
	$output =~ s/^\@END \d+\n\z//m;
	utf8::decode($output);
	return $output;
}

sub run
{
	my ($self, $sql) = @_;

	$self->send($sql);
	return $self->wait;
}

sub DESTROY
{
	my ($self) = @_;

	local $?;
	close $self->{in};
	close $self->{out};
	waitpid($self->{pid}, 0);
	return;
}

package Oracle::Races;

use strict;
use warnings;

our @ISA = qw(Oracle::Model);

sub predict
{
	my ($self, $s, $waited) = @_;
	my $before = $self->copy_state;
	my (@errors, @evidence);

	return $self->SUPER::predict($s) if $s->{kind} ne 'race';
	$self->{open} = 1;
	for my $first (@{ $s->{first} })
	{
		my $result = $self->SUPER::predict($first);
		push @errors, $result->{errors};
		push @evidence, @{ $result->{evidence} };
	}
	$self->{open} = 0;
	$self->end_transaction;
	my $after = $self->copy_state;
	if ($s->{end} eq 'ROLLBACK')
	{
		$self->restore($before);
		$before = $self->copy_state;
		@evidence = ();
	}
	# a statement that does not wait is judged by the map from before the transaction
	$self->{map} = $before->{map} if !$waited;
	my $result = $self->trial(sub {
			$self->follow($s->{second}, $before, $s->{isolation} ne 'read committed');
			$self->land if !%{ $self->{errors} };
		});
	$self->end_transaction;
	$self->{map} = $after->{map} if $s->{end} eq 'COMMIT';
	# a statement is judged by the map of its beginning; the edit comes later
	$self->SUPER::predict($s->{meanwhile}) if $waited && $s->{meanwhile};
	return { errors => [ @errors, $result->{errors} ], evidence => [ @evidence, @{ $result->{evidence} } ] };
}

# The statement sees the rows of `seen`, waits for the transaction that changes
# them, and continues with the rows that this left; with `holds` (repeatable read)
# it fails instead.
sub follow
{
	my ($self, $s, $seen, $holds) = @_;
	my $r = $self->{round};
	my $before = $self->copy_state;
	my %now = map { $_->{rid} => $_ } values %{ $before->{rows} };

	return $self->statement($s) if $s->{kind} eq 'truncate';
	if ($s->{rows})
	{
		for my $row (@{ $s->{rows} })
		{
			my $was = $seen->{rows}{ $r->key_of($row) };
			my $there = $before->{rows}{ $r->key_of($row) };
			my $kind = $s->{kind};

			if ($kind eq 'merge' && $was)
			{
				next if $s->{matched} eq 'nothing';
				my $is = $self->met($was, $now{ $was->{rid} }, $holds);
				next if %{ $self->{errors} };
				if ($is && $r->key_of($is) eq $r->key_of($row))
				{
					$s->{matched} eq 'update' ? $self->update($s, $is, $row, @{ $s->{set} }) : $self->delete($s, $is);
					next;
				}
			}
			elsif ($kind =~ /^(upsert|nothing)$/ && $there)
			{
				next if $self->not_tried($s, $row);
				if ($holds && !($was && $was->{version} == $there->{version})) { $self->{errors}{40001} = 1; }
				elsif ($kind eq 'upsert') { $self->update($s, $there, $row, @{ $s->{set} }); }
				next;
			}
			$self->insert($s, $row, unprobed => $kind eq 'copy');
		}
		return;
	}
	my @found = $self->found($s, $seen);
	for my $was (@found)
	{
		my $is = $self->met($was, $now{ $was->{rid} }, $holds);
		next if !$is || !$self->found($s, { rows => { it => $is } });
		$s->{kind} eq 'delete' ? $self->delete($s, $is) : $self->update($s, $is, $s->{to}, @{ $s->{set} });
	}
	# two rows that get the same key may collide before the other error is reached
	$self->{errors}{23505} = 1 if $s->{kind} eq 'rekey' && @found > 1 && %{ $self->{errors} };
	return;
}

# The row that was seen, as it is now; undef if it does not exist or the statement fails.
sub met
{
	my ($self, $was, $is, $holds) = @_;

	$self->{errors}{40001} = 1 if $holds && !($is && $is->{version} == $was->{version});
	$self->{errors}{40001} = 1 if !$is && $self->{moved}{ $was->{rid} };
	return %{ $self->{errors} } ? undef : $is;
}

1;
