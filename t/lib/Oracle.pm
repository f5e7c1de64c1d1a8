# An independent check of every write: random tables, maps, writers and
# statements, and a model of the contract that predicts the result of each.  The
# model is written from the documentation, not from the C code, and shares nothing
# with it.
#
#   my $round = Oracle::Round->new($seed);     # generates everything
#   my $diff = $round->run($node);             # undef, or what differed first
#   print $round->smallest($node);             # a script that shows it
package Oracle;

use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Utils;

my $json = JSON::PP->new->canonical->allow_nonref;

# Types: values as SQL literals without quotes, which are the text output too,
# except where shown.  numeric: compared as numbers.
our %types = (
	int => { values => [qw(0 1 2 3 7)], default => '3' },
	text => { values => [ 'a', 'b', "it's", "\x{e9}\x{4e16}", '' ], default => 'b' },
	numeric => { values => [qw(9.5 9.50 9.500 10 0 0.00 -1)], default => '9.50', numeric => 1 },
	'numeric(10,2)' => { values => [qw(9.50 10.00 0.00 1.25)], default => '10.00', numeric => 1 },
	'fz.amount' => { values => [qw(5 5.0 5.00 6)], default => '5.0', numeric => 1 },
	boolean => { values => [qw(t f)], default => 'f' },
	date => { values => [qw(2024-02-29 1999-12-31)], default => '1999-12-31' },
	'text[]' => { values => [ '{}', '{a,b}', '{b,a}', '{NULL}' ], default => '{}' },
	jsonb => { values => [ '{"a": 1}', '[]', '{"a": 2, "b": null}' ], default => '[]' },
	'fz.pair' => { values => [ '(1,x)', '(2,x)', '(,)' ], default => '(1,x)' },
	# values whose text depends on the session's settings; written as expressions that are not
	money => {
		feature => 'session_types', values => [ '$0.00', '$5.00', '-$1,000.10' ], default => '$5.00',
		sql => sub { '(' . $_[0] =~ s/[\$,]//gr . ')::numeric::money' } },
	'money[]' => {
		feature => 'session_types', values => [ '{}', '{$5.00}', '{$5.00,-$1.00}' ], default => '{$5.00}',
		sql => sub { 'ARRAY[' . join(', ', map { "($_)::numeric::money" } split(/,/, $_[0] =~ s/[{}\$]//gr)) . ']::money[]' } },
	regclass => { feature => 'session_types', values => [qw(fza.n fzb.n fz.n)], default => 'fza.n' },
	regtype => { feature => 'session_types', values => [qw(fza.n fzb.n integer)], default => 'fza.n' },
	'fz.priced' => {
		feature => 'session_types', values => [ '($5.00,fza.n)', '($5.00,fzb.n)', '(,)' ], default => '($5.00,fza.n)',
		sql => sub {
			my ($m, $c) = $_[0] =~ /\(\$?([0-9.]*),(.*)\)/;
			return 'ROW(' . ($m eq '' ? 'NULL' : "($m)::numeric::money") . ', ' . ($c eq '' ? 'NULL' : "'$c'::regclass") . ')::fz.priced';
		} },
	bytea => { values => [ '\\x00ff', '\\x', '\\x' . ('ab' x 3000) ], default => '\\x' },
);

# Locales in which the text of money differs, where the system has any.
our @monetary = ('C');

# A value of a type as an expression, for sessions of any settings.
sub literal
{
	my ($type, $value) = @_;
	my $sql = exists $types{ $type // "" } ? $types{$type}{sql} : undef; # adds no type
	return (defined $value && $sql ? $sql->($value) : quote($value)) . "::$type";
}

sub quote
{
	my ($value) = @_;
	return 'NULL' if !defined $value;
	$value =~ s/'/''/g;
	return "'$value'";
}

# The statements that create what all rounds in a cluster use.
sub roles
{
	my @names = qw(s1 s2 s3 member nobody steward);
	return ((map { "CREATE ROLE fz_$_" } @names), 'GRANT fz_s1 TO fz_member',
		map { "GRANT SET ON PARAMETER session_replication_role, ownership.system, ownership.enforcement TO fz_$_" } @names);
}

sub decode { return $json->decode($_[0]); }
sub encode { return $json->encode($_[0]); }

package Oracle::Round;

use strict;
use warnings;

use Oracle::Features;
use Oracle::Model;

use PostgreSQL::Test::Utils;

our @systems = qw(s1 s2 s3);

# The setting is that of ownership.system.
my %writers = (
	(map { $_ => { role => "fz_$_", system => $_ } } @systems),
	member => { role => 'fz_member', system => 's1' },
	nobody => { role => 'fz_nobody' },
	steward => { role => 'fz_steward', steward => 1 },
	superuser => { role => 'postgres' },
	middleware => { role => 'postgres', setting => 's2', system => 's2' });

sub new
{
	my ($class, $seed, %opt) = @_;
	my $self = bless { seed => $seed, opt => \%opt, writers => \%writers }, $class;

	srand($seed);
	$self->{with} = Oracle::Features::choose($self->letter);
	$self->make_table;
	$self->make_map;
	$self->{statements} = [];
	$self->make_statements($self->make_model);
	return $self;
}

# In the list of features.
sub letter { return 'r'; }

# How many statements there are.
sub size
{
	my ($self) = @_;
	my $n = 0;

	$n += $_->{parts} && $_->{kind} eq 'feed' ? @{ $_->{parts} } : $_->{first} ? 1 + @{ $_->{first} } : 1 for @{ $self->{statements} };
	return $n;
}

sub make_model { return Oracle::Model->new($_[0]); }

sub make_statements
{
	my ($self, $model) = @_;

	for (1 .. $self->{opt}{statements} // 60)
	{
		my @statements = $self->{with}{waiting} && chance(0.05) ? $self->make_reload($model) : ();
		@statements = $self->make_missed($model) if !@statements && $self->{with}{waiting} && $self->{with}{decisions} && chance(0.1);
		$self->add_statement($model, $_) for @statements ? @statements : $self->make_statement($model);
	}
	return;
}

sub add_statement
{
	my ($self, $model, $statement) = @_;

	push @{ $self->{statements} }, $statement;
	$model->predict($statement);
	return;
}

sub pick { return $_[ int(rand(@_)) ]; }
sub chance { return rand() < $_[0]; }

# A subset, in order; never empty.
sub some
{
	my @all = @_;
	my @chosen = grep { chance(0.5) } @all;
	return @chosen ? @chosen : (pick(@all));
}

#
# Generating
#

sub layouts { return qw(plain plain range list nested); }

sub make_table
{
	my ($self) = @_;
	my @columns;

	$self->{layout} = pick($self->layouts);
	# the layouts that these features need most
	$self->{layout} = pick(qw(list nested)) if $self->{with}{combined} && $self->{with}{suppress} && chance(0.5);
	$self->{layout} = 'plain' if $self->{with}{side} && $self->letter eq 'R' && chance(0.85);
	push @columns, { name => 'id', type => 'int', key => 1 };
	push @columns, { name => 'r', type => 'text', key => 1, values => [qw(de fr xx)] }
	  if $self->{layout} =~ /^(list|nested)$/;
	# the column that row filters read
	push @columns, { name => 'k', type => 'int', unowned => 1 };
	for my $i (1 .. 2 + int(rand(5)))
	{
		# integers can have computed defaults
		my $type = pick((grep { !$types{$_}{feature} } sort keys %types), qw(int int));
		$type = pick(grep { $types{$_}{feature} } sort keys %types) if $self->{with}{session_types} && ($i == 1 || chance(0.2));
		my $c = { name => chance(0.1) ? "Column $i" : "c$i", type => $type };
		my $kind = pick(qw(none none constant computed computed));

		$kind = 'constant' if $kind eq 'computed' && $type ne 'int';
		$c->{default} = $kind eq 'none' ? undef : $kind eq 'computed' ? '7' : $types{$type}{default};
		$c->{computed} = pick(qw(volatile stable)) if $kind eq 'computed';
		$c->{not_null} = 1 if $kind eq 'constant' && chance(0.3);
		push @columns, $c;
	}
	$self->{columns} = [];
	$self->add_column($_) for @columns;
	$self->{keys} = [ grep { $_->{key} } @columns ];
	$self->make_triggers;
	$self->make_defaults;
	$self->make_unfitting if $self->{with}{unfitting};
	$self->{dropped} = chance(0.4);
	$self->{generated} = chance(0.4);
	$self->{generate} = pick(qw(serial identity always function)) if $self->{with}{generated_keys};
	$self->{starts} = 0;
	return;
}

sub add_column
{
	my ($self, $c) = @_;

	$c->{values} //= $types{ $c->{type} }{values};
	$c->{numeric} = $types{ $c->{type} }{numeric};
	push @{ $self->{columns} }, $c;
	$self->{column}{ $c->{name} } = $c;
	return;
}

# The partitions of a layout, the tables above them first: name, table above,
# bounds, partitioned by.
my %partitions = (
	plain => [],
	range => [
		[ 'low', '', 'FROM (0) TO (5)' ],
		[ 'high', '', 'FROM (8) TO (100)', 'RANGE (id)' ],
		[ 'high_1', 'high', 'FROM (8) TO (10)' ],
		[ 'high_2', 'high' ],
		[ 'rest', '' ] ],
	list => [ [ 'de', '', "IN ('de')" ], [ 'rest', '' ] ],
	nested => [
		[ 'de', '', "IN ('de')", 'RANGE (id)' ],
		[ 'de_low', 'de', 'FROM (0) TO (5)' ],
		[ 'de_rest', 'de' ],
		[ 'rest', '' ] ]);

sub partitions { return @{ $partitions{ $_[0]{layout} } }; }

# The defaults, by the table that a statement names ('' is fz.t itself) and by
# column: the value, and whether it is computed.
sub make_defaults
{
	my ($self) = @_;

	for my $table ('', map { $_->[0] } $self->partitions)
	{
		for my $c (@{ $self->{columns} })
		{
			my %default = (value => $c->{default}, computed => $c->{computed});
			my @other = grep { ($_ // '\0') ne ($c->{default} // '\0') } $c->{values} ? @{ $c->{values} } : ();

			if ($table ne '' && $self->{with}{partition_defaults} && !$c->{key})
			{
				my $other = pick(@other);
				%default = pick({%default}, { value => undef }, { value => $other }, $c->{type} eq 'int' ? { value => '7', computed => 'volatile' } : { value => undef })->%*;
			}
			$self->{defaults}{$table}{ $c->{name} } = \%default;
		}
	}
	return;
}

# A value that a constraint refuses; no default is.
sub make_unfitting
{
	my ($self) = @_;

	my @columns = grep { !$_->{key} && !$_->{derived} && !$_->{unowned} && $_->{type} ne 'boolean' && !$types{ $_->{type} }{feature} } @{ $self->{columns} };

	for my $c (@columns ? some(@columns) : ())
	{
		my %defaults = map { ($_->{ $c->{name} }{value} // '') => 1 } values %{ $self->{defaults} };
		$c->{unfit} = pick(grep { !$defaults{$_} } @{ $c->{values} });
	}
	return;
}

# The default of a column in a statement: that of the table that it names.
sub default
{
	my ($self, $s, $c) = @_;
	return $self->{defaults}{ $s->{into} // '' }{ $c->{name} };
}

# Is a row in a table, or in a partition of it?
sub within
{
	my ($self, $row, $table) = @_;
	return 1 if !defined $table;
	return ($self->partition($row))[0] =~ /^\Q$table\E(_|\z)/;
}

sub make_map
{
	my ($self) = @_;

	for my $c (@{ $self->{columns} })
	{
		$c->{owner} = $c->{unowned} || chance(0.15) ? undef : pick(@systems);
		$c->{policy} = pick(qw(observe fill create_only keep reject), undef);
		$c->{policy} = 'keep' if $self->{with}{waiting} && $c->{key} && chance(0.4);
		$c->{on_blank} = pick(qw(observe keep reject), undef) if $self->{with}{blanks} && !$c->{key};
		$c->{history} = chance(0.4) if $self->{with}{history};
		$c->{sensitive} = chance(0.15) && !$c->{history} if $self->{with}{waiting} && !$c->{key};
		next if $c->{key} || $c->{unowned} || !chance(0.25);
		# row owners: the first filter that is true counts
		for (1 .. 1 + int(rand(2)))
		{
			my $n = int(rand(8));
			push @{ $c->{rules} }, pick(
				[ "id < $n", sub { $_[0]{id} < $n } ],
				[ "k = $n", sub { defined $_[0]{k} && $_[0]{k} == $n } ],
				[ "k IS NULL", sub { !defined $_[0]{k} } ],
				$self->{with}{filters} ? (
					[ "t.id < $n", sub { $_[0]{id} < $n } ],
					[ "t.k = $n", sub { defined $_[0]{k} && $_[0]{k} == $n } ],
					# a filter on the whole row may not read a generated column either
					$self->{generated} ? () : [ "fz.beyond(t, $n)", sub { $_[0]{id} > $n } ]) : ());
			$c->{rules}[-1][2] = pick(@systems);
			# the same filter again would replace the owner
			pop @{ $c->{rules} } if grep { $_->[0] eq $c->{rules}[-1][0] } @{ $c->{rules} }[ 0 .. $#{ $c->{rules} } - 1 ];
		}
	}
	$self->make_groups if $self->{with}{groups};
	$self->{source} = chance(0.2) ? pick(@systems) : undef;
	$self->{default_policy} = pick(qw(reject reject keep observe));
	$self->{remember} = $self->{with}{waiting} ? pick(undef, undef, '1 hour', '0') : undef;
	$self->{remembers_briefly} = ($self->{remember} // '') eq '0';
	$self->make_side if $self->{with}{side};
	return;
}

# Groups of columns: one owner and one policy; row owners may split them.
sub make_groups
{
	my ($self) = @_;
	my @free = grep { !$_->{key} && !$_->{unowned} } @{ $self->{columns} };

	for my $group (chance(0.3) ? qw(a b) : 'a')
	{
		my @members = some(@free);
		my $first = $members[0];
		my $alike = chance(0.7);

		for my $c (@members)
		{
			@$c{qw(group owner policy)} = ($group, @$first{qw(owner policy)});
			$c->{rules} = $first->{rules} if $alike;
		}
		@free = grep { !$_->{group} } @free or last;
	}
	return;
}

# All columns of a column's group: those that the map gives one owner and policy.
sub alike
{
	my ($self, $c) = @_;
	return $c->{group} ? grep { ($_->{group} // '') eq $c->{group} } @{ $self->{columns} } : $c;
}

# The columns that are one value with a column; none where row owners split its group.
sub one_value
{
	my ($self, $c) = @_;
	my @members = $self->alike($c);
	my %rules = map { join("\0", map { "$_->[0]\0$_->[2]" } @{ $_->{rules} // [] }) => 1 } @members;
	return keys %rules == 1 ? @members : $c;
}

sub value
{
	my ($c) = @_;
	return undef if !$c->{not_null} && chance(0.15);
	return pick(@{ $c->{values} });
}

sub new_row
{
	my ($self, $id, $columns) = @_;
	return { map { $_->{name} => $_->{name} eq 'id' ? $id : $_->{key} ? pick(@{ $_->{values} }) : value($_) }
		  @$columns };
}

# Ids of rows to write: some exist, some do not.
sub ids
{
	my ($self, $model, $n) = @_;
	my %ids;

	while (keys %ids < $n) { $ids{ int(rand(12)) } = 1; }
	return sort { $a <=> $b } keys %ids;
}

# A statement as data: everything that the model and to_sql() need.
sub make_statement
{
	my ($self, $model) = @_;
	my @columns = @{ $self->{columns} };
	# no statement writes a column that a trigger derives
	my @values = grep { !$_->{key} && !$_->{derived} } @columns;
	return $self->make_decision($model) if $self->{with}{decisions} && !$self->{hub} && chance(0.12);
	return $self->make_time($model) if $self->{with}{time} && !@{ $model->{saved} } && chance(0.1);
	return $self->make_pin($model) if $self->{with}{pins} && !defined $self->{source} && !$self->{hub} && chance(0.15);
	my %s = (
		kind => pick(
			qw(insert insert upsert upsert nothing update update update update delete copy merge rekey),
			chance(0.2) ? 'truncate' : 'update',
			chance(0.4) ? 'map' : 'insert',
			chance(0.2) ? 'transaction' : 'update',
			$self->{with}{combined} && !$self->{parts} ? 'combined' : (),
			$self->{with}{combined} && $self->{suppress} && $self->{column}{r} ? ('merge') x 5 : ()),
		writer => pick(qw(s1 s1 s2 s2 s3 member nobody steward superuser middleware)),
		enforcement => chance(0.9) ? 'on' : pick(qw(off observe)),
		lift => chance(0.7) ? 'on' : 'off',
		wrap => chance(0.5) ? 'plain' : pick(qw(prepared function definer cte view)));

	if ($s{kind} =~ /^(insert|upsert|nothing|copy|merge)$/)
	{
		my %named = map { $_->{name} => 1 } some(@values), @{ $self->{keys} };
		$s{named} = [ grep { $named{ $_->{name} } } @columns ];
		$s{rows} = [ map { $self->new_row($_, $s{named}) } $self->ids($model, 1 + int(rand(3))) ];
		if (!chance(0.3) && @{ $s{rows} })
		{
			# most upserts send stored values again, or some of them
			for my $row (@{ $s{rows} })
			{
				my $stored = $model->{rows}{ $self->key_of($row) } or next;
				for my $c (@{ $s{named} })
				{
					$row->{ $c->{name} } = $stored->{ $c->{name} } if !$c->{key} && chance(0.5);
				}
			}
		}
	}
	if ($s{kind} =~ /^(upsert|merge)$/)
	{
		my @set = grep { !$_->{key} } @{ $s{named} };
		$s{set} = @set ? [ some(@set) ] : [];
		$s{kind} = 'nothing' if !@set && $s{kind} eq 'upsert';
		$s{matched} = !@set ? 'nothing' : pick(qw(update update update delete nothing)) if $s{kind} eq 'merge';
		if ($self->{with}{combined} && $s{kind} eq 'merge' && $self->{column}{r} && chance(0.5))
		{
			@s{qw(matched move)} = ('update', pick(@{ $self->{column}{r}{values} }));
			$self->make_half_way($model, \%s) if $self->{suppress} && chance(0.7);
		}
	}
	if ($s{kind} eq 'update')
	{
		$s{set} = [ some(@values) ];
		$s{to} = { map { $_->{name} => value($_) } @{ $s{set} } };
		$s{ids} = [ $self->ids($model, 1 + int(rand(4))) ];
	}
	if ($s{kind} eq 'rekey')
	{
		my $c = pick(@{ $self->{keys} });
		# a column that is GENERATED ALWAYS cannot be updated
		if (($self->{generate} // '') eq 'always' && $c->{name} eq 'id') { return $self->make_statement($model); }
		$s{set} = [$c];
		$s{to} = { $c->{name} => $c->{name} eq 'id' ? int(rand(12)) : pick(@{ $c->{values} }) };
		$s{ids} = [ $self->ids($model, 1) ];
		$s{r} = pick(@{ $self->{column}{r}{values} }) if $self->{column}{r};
	}
	$s{ids} = [ $self->ids($model, 1 + int(rand(3))) ] if $s{kind} eq 'delete';
	$self->make_awaited($self->{hub} // $model, \%s) if $self->{with}{waiting};
	$self->make_resend($self->{hub} // $model, \%s) if $self->{with}{pins} && chance(0.6);
	$self->make_into(\%s) if $self->{with}{partition_defaults} && !defined $s{move} && chance(0.3);
	if ($s{kind} eq 'map')
	{
		my $c = pick(grep { !$_->{unowned} } @columns);
		%s = (kind => 'map', column => $c->{name}, owner => pick(@systems, undef), policy => pick(qw(observe fill create_only keep reject), undef));
	}
	$s{action} = pick(qw(begin savepoint rollback_to rollback commit)) if $s{kind} eq 'transaction';
	$s{wrap} = 'plain' if $s{kind} =~ /^(copy|truncate|merge|map|transaction)$/;
	$self->make_unnamed($model, \%s) if $self->{generate} && $s{kind} =~ /^(insert|upsert|nothing|copy)$/ && chance(0.4);
	if ($self->{with}{defaults_named} && $s{kind} =~ /^(insert|upsert|nothing)$/ && $s{wrap} ne 'view' && chance(0.5))
	{
		# in all rows of a column: mixed with values, the guard could not know which are DEFAULT
		my %default = map { $_->{name} => 1 } grep { !$_->{key} && chance(0.3) } @{ $s{named} };
		delete @default{ grep { $self->{column}{$_}{not_null} && !defined $self->default(\%s, $self->{column}{$_})->{value} } keys %default };
		$s{defaults} = \%default;
		for my $row (@{ $s{rows} })
		{
			$row->{$_} = $self->{defaults}{ $s{into} // '' }{$_}{value} for keys %default;
		}
	}
	# the values of COPY are text, so its session keeps the locale
	$s{session} = [ $s{kind} eq 'copy' ? () : "lc_monetary = '" . pick(@Oracle::monetary) . "'", 'search_path = ' . pick(qw(fza fzb fz public)) ]
	  if $self->{with}{session_types} && chance(0.8);
	$self->make_parts($model, \%s) if $s{kind} eq 'combined';
	$self->make_switch(\%s) if $self->{with}{switches} && $s{kind} !~ /^(map|transaction|truncate)$/;
	return \%s;
}

# A MERGE, by a writer that may move a row, that moves it to a partition where a
# user's trigger suppresses it, and then inserts another row.
sub make_half_way
{
	my ($self, $model, $s) = @_;
	my @stored = map { $model->{rows}{$_} } sort keys %{ $model->{rows} };
	my ($there) = grep { $self->suppressed({}, { %$_, r => $s->{move} }) && $_->{r} ne $s->{move} } @stored;
	my ($first, @others) = @{ $s->{rows} };

	return if !$there;
	$s->{writer} = $self->{column}{r}{owner} // $s->{writer};
	@others = ($self->new_row(int(rand(12)), $s->{named})) if !@others;
	$s->{rows} = [ { %$first, id => $there->{id}, r => $there->{r} }, grep { $_->{id} != $there->{id} } @others ];
	return;
}

# The ids that a statement may meet.
sub ids_of
{
	my ($s) = @_;
	return map { $_->{id} } @{ $s->{rows} // [] } if $s->{rows};
	return (@{ $s->{ids} // [] }, $s->{kind} eq 'rekey' && $s->{to}{id} // ());
}

# Several writes in one statement, of different rows.
sub make_parts
{
	my ($self, $model, $s) = @_;
	my %taken;

	$s->{wrap} = pick(qw(plain prepared function));
	# no part is made of parts
	local $self->{parts} = 1;
	for (1 .. 20)
	{
		my $part;

		do { $part = $self->make_statement($model); } while (defined $part->{into} || $part->{kind} !~ /^(insert|upsert|nothing|update|rekey|delete)$/);
		next if grep { $taken{$_} } ids_of($part);
		# all parts would use the one sequence
		next if $part->{start} && grep { $_->{start} } @{ $s->{parts} // [] };
		$taken{$_} = 1 for ids_of($part);
		delete @$part{qw(switch replica session)};
		$_->{wrap} = 'plain', $_->{writer} = $s->{writer}, $_->{enforcement} = $s->{enforcement} for $part;
		push @{ $s->{parts} }, $part;
		return if @{ $s->{parts} } == 3;
	}
	return;
}

# Lets the statement name a partition, with those of its rows that belong there.
sub make_into
{
	my ($self, $s) = @_;
	my @rows = @{ $s->{rows} // [] };
	my @tables = map { $_->[0] } $self->partitions;

	return if $s->{kind} !~ /^(insert|upsert|nothing|copy|merge|update|delete)$/;
	@tables = grep { $self->within($rows[0], $_) } @tables if @rows;
	return if !@tables;
	$s->{into} = pick(@tables);
	$s->{wrap} = 'plain' if $s->{wrap} eq 'view';
	return if !@rows;
	$s->{rows} = [ grep { $self->within($_, $s->{into}) } @rows ];
	# values for NOT NULL columns for which the partition has no default
	my %named = map { $_->{name} => 1 } @{ $s->{named} };
	for my $c (@{ $self->{columns} })
	{
		next if $named{ $c->{name} } || !$c->{not_null} || defined $self->default($s, $c)->{value};
		$named{ $c->{name} } = 1;
		$_->{ $c->{name} } = value($c) for @{ $s->{rows} };
	}
	$s->{named} = [ grep { $named{ $_->{name} } } @{ $self->{columns} } ];
	return;
}

# The partition where a row is, and the columns that the tables above it are partitioned by.
sub partition
{
	my ($self, $row) = @_;
	my ($id, $r) = @{ $self->{column} }{qw(id r)};
	my $layout = $self->{layout};

	return '' if $layout eq 'plain';
	return ($row->{id} < 5 ? 'low' : $row->{id} < 8 || $row->{id} >= 100 ? 'rest' : $row->{id} < 10 ? 'high_1' : 'high_2', $id) if $layout eq 'range';
	return ('rest', $r) if $row->{r} ne 'de';
	return ('de', $r) if $layout eq 'list';
	return ($row->{id} < 5 ? 'de_low' : 'de_rest', $r, $id);
}

sub key_of
{
	my ($self, $row) = @_;
	return join('|', map { $row->{ $_->{name} } } @{ $self->{keys} });
}

#
# As SQL
#

sub identifier { return qq("$_[0]"); }

sub types_sql
{
	return join('', map { "CREATE SCHEMA $_;\nGRANT USAGE ON SCHEMA $_ TO PUBLIC;\n" } qw(fza fzb))
	  . join('', map { "CREATE TABLE $_.n (x int);\n" } qw(fz fza fzb))
	  . "CREATE TYPE fz.priced AS (price money, of regclass);\n"
	  . "CREATE DOMAIN fz.amount AS numeric CHECK (VALUE < 1000);\nCREATE TYPE fz.pair AS (n int, t text);\n";
}

sub setup_sql
{
	my ($self) = @_;
	my @columns = @{ $self->{columns} };
	my $layout = $self->{layout};
	my $key = join(', ', map { identifier($_->{name}) } @{ $self->{keys} });
	my @defs = map { $self->column_sql($_) } @columns;
	# identity columns belong to the partitioned table alone
	my @plain = map { s/ GENERATED (BY DEFAULT|ALWAYS) AS IDENTITY \(.*?\)//r } @defs;
	my @extra = $self->{generated} ? ('g int GENERATED ALWAYS AS (id * 2) STORED') : ();
	my $by = $layout eq 'range' ? 'PARTITION BY RANGE (id)' : $layout =~ /^(list|nested)$/ ? 'PARTITION BY LIST (r)' : '';
	my $sql = <<"END";
\\set ON_ERROR_STOP on
SET client_min_messages = error;
CREATE EXTENSION ownership;
CREATE SCHEMA fz;
GRANT USAGE ON SCHEMA fz TO PUBLIC;
CREATE FUNCTION fz.volatile_seven() RETURNS int LANGUAGE plpgsql VOLATILE AS 'BEGIN RETURN 7; END';
CREATE FUNCTION fz.stable_seven() RETURNS int LANGUAGE plpgsql STABLE AS 'BEGIN RETURN 7; END';
CREATE FUNCTION fz.run(q text) RETURNS void LANGUAGE plpgsql AS 'BEGIN EXECUTE q; END';
CREATE FUNCTION fz.run_as_owner(q text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN EXECUTE q; END';
END
	$sql .= $self->types_sql . $self->generate_sql;
	$sql .= 'CREATE TABLE fz.t (' . ($self->{dropped} ? 'gone int, ' : '') . join(', ', @defs, @extra)
	  . ", PRIMARY KEY ($key)) $by;\n";
	$sql .= "ALTER TABLE fz.t DROP COLUMN gone;\n" if $self->{dropped};
	$sql .= $self->partition_sql($_, \@plain, \@extra) for $self->partitions;
	$sql .= check_sql(@columns);
	$sql .= "CREATE FUNCTION fz.beyond(t fz.t, n int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT t.id > n';\n" if $self->{with}{filters};
	$sql .= $self->switches_sql . $self->side_sql . $self->triggers_sql;
	$sql .= 'CREATE VIEW fz.v AS SELECT ' . join(', ', map { identifier($_->{name}) } @columns) . " FROM fz.t;\n";
	# a view does not inherit the defaults of its table; they apply all the same
	$sql .= "GRANT ALL ON ALL TABLES IN SCHEMA fz TO PUBLIC;\nGRANT ALL ON ALL SEQUENCES IN SCHEMA fz TO PUBLIC;\n";
	$sql .= "SELECT ownership.add_system('$_', 'erp', role => 'fz_$_');\n" for @systems;
	$sql .= "SELECT ownership.identify(NULL, role => 'fz_steward', steward => true);\n";
	for my $c (@columns)
	{
		$sql .= sprintf("SELECT ownership.assign('fz.t', ARRAY[%s]::name[], %s, policy => %s);\n",
			Oracle::quote($c->{name}), Oracle::quote($c->{owner}), Oracle::quote($c->{policy}));
		$sql .= sprintf("SELECT ownership.assign_rows('fz.t', ARRAY[%s]::name[], '%s', %s);\n",
			Oracle::quote($c->{name}), $_->[2], Oracle::quote($_->[0]))
		  for @{ $c->{rules} // [] };
		$sql .= sprintf("UPDATE ownership.field SET on_blank = '%s' WHERE entity = 'fz.t' AND name = %s;\n", $c->{on_blank}, Oracle::quote($c->{name}))
		  if $c->{on_blank};
		$sql .= sprintf("UPDATE ownership.field SET history = true WHERE entity = 'fz.t' AND name = %s;\n", Oracle::quote($c->{name}))
		  if $c->{history};
	}
	$sql .= sprintf("UPDATE ownership.field SET column_group = '%s' WHERE entity = 'fz.t' AND name = %s;\n", $_->{group}, Oracle::quote($_->{name}))
	  for grep { $_->{group} } @columns;
	$sql .= $self->side_map_sql . $self->waiting_map_sql;
	$sql .= "UPDATE ownership.mirrored_table SET source = '$self->{source}' WHERE table_name = 't';\n" if $self->{source};
	$sql .= "SET ownership.default_policy = '$self->{default_policy}';\n";
	$sql .= "SELECT format('ALTER DATABASE %I SET ownership.default_policy = %L', current_database(), '$self->{default_policy}') \\gexec\n";
	return $sql;
}

sub column_sql
{
	my ($self, $c) = @_;
	return join(' ', identifier($c->{name}), $c->{type}, $c->{name} eq 'id' && $self->{generate} ? $self->id_default : default_sql($self->default({}, $c)), $c->{not_null} || $c->{key} ? 'NOT NULL' : ());
}

sub default_sql
{
	my ($default) = @_;
	return $default->{computed} ? "DEFAULT fz.$default->{computed}_seven()" : defined $default->{value} ? 'DEFAULT ' . Oracle::quote($default->{value}) : ();
}

# The constraints on columns.
sub check_sql
{
	my (@columns) = @_;
	return join('', map { 'ALTER TABLE fz.t ADD CHECK (' . identifier($_->{name}) . '::text IS DISTINCT FROM ' . Oracle::quote($_->{unfit}) . ");\n" } grep { defined $_->{unfit} } @columns);
}

sub partition_sql
{
	my ($self, $partition, $defs, $extra) = @_;
	my ($name, $above, $bounds, $by) = @$partition;
	my $table = "fz.t_$name";
	my $of = $above eq '' ? 'fz.t' : "fz.t_$above";
	my $attach = "ALTER TABLE $of ATTACH PARTITION $table " . ($bounds ? "FOR VALUES $bounds" : 'DEFAULT') . ";\n";
	my $sql;

	$by = $by ? " PARTITION BY $by" : '';
	if ($name eq 'low')
	{
		# a partition with another order of columns
		$sql = "CREATE TABLE $table (was int, " . join(', ', reverse(@$defs), @$extra) . ");\nALTER TABLE $table DROP COLUMN was;\n$attach";
	}
	elsif ($self->{with}{partition_defaults} && $name =~ /t$/)
	{
		# a partition that is made by hand: without any defaults
		$sql = "CREATE TABLE $table (LIKE fz.t INCLUDING GENERATED)$by;\n$attach";
	}
	else { $sql = "CREATE TABLE $table PARTITION OF $of " . ($bounds ? "FOR VALUES $bounds" : 'DEFAULT') . "$by;\n"; }
	for my $c ($self->{with}{partition_defaults} ? grep { !$_->{key} } @{ $self->{columns} } : ())
	{
		my $default = default_sql($self->{defaults}{$name}{ $c->{name} });
		$sql .= "ALTER TABLE $table ALTER " . identifier($c->{name}) . ($default ? " SET $default" : ' DROP DEFAULT') . ";\n";
	}
	return $sql;
}

# A value as an expression; with $switch, one that switches a setting when it is computed.
sub literal
{
	my ($c, $value, $switch) = @_;
	my $sql = Oracle::literal($c->{type}, $value);

	return $sql if !$switch;
	return 'CASE WHEN ' . switch_sql($switch) . " IS NOT NULL THEN $sql END";
}

sub tuple
{
	my ($row, $switch, $defaults, @columns) = @_;
	my @values = map { $defaults->{ $_->{name} } ? 'DEFAULT' : literal($_, $row->{ $_->{name} }, $_ == $columns[-1] && $switch) } @columns;
	return '(' . join(', ', @values) . ')';
}

sub assignments
{
	my ($from, $switch, @columns) = @_;
	return join(', ', map {
			identifier($_->{name}) . ' = ' . (ref $from ? literal($_, $from->{ $_->{name} }, $_ == $columns[-1] && $switch) : "$from." . identifier($_->{name}))
	} @columns);
}

sub to_sql
{
	my ($self, $s) = @_;
	my $t = $s->{wrap} && $s->{wrap} eq 'view' ? 'fz.v' : defined $s->{into} ? "fz.t_$s->{into}" : 'fz.t';
	my @named = @{ $s->{named} // [] };
	my $names = join(', ', map { identifier($_->{name}) } @named);
	my $key = join(', ', map { identifier($_->{name}) } @{ $self->{keys} });
	my $kind = $s->{kind};
	my $switch = $s->{switch};
	my $inline = $switch && $switch->{by} =~ /^(values|set)$/ && $switch;
	my $sql;

	if ($kind =~ /^(insert|upsert|nothing)$/)
	{
		my @said = (($s->{overriding} ? $self->{column}{id} : ()), @named);
		my $columns = join(', ', map { identifier($_->{name}) } @said);
		my $overriding = $s->{overriding} // (($self->{generate} // '') eq 'always' && (grep { $_->{name} eq 'id' } @named) ? 'SYSTEM' : undef);
		$sql = "INSERT INTO $t ($columns) " . ($overriding ? "OVERRIDING $overriding VALUE " : '') . 'VALUES '
		  . join(', ', map { tuple($_, $inline, $s->{defaults}, @said) } @{ $s->{rows} });
		$sql .= " ON CONFLICT ($key) DO UPDATE SET " . assignments('EXCLUDED', undef, @{ $s->{set} }) if $kind eq 'upsert';
		$sql .= ' ON CONFLICT DO NOTHING' if $kind eq 'nothing';
	}
	elsif ($kind eq 'merge')
	{
		$sql = "MERGE INTO $t x USING (VALUES " . join(', ', map { tuple($_, undef, undef, @named) } @{ $s->{rows} }) . ") AS y ($names) ON "
		  . join(' AND ', map { "x.$_->{name} = y.$_->{name}" } @{ $self->{keys} });
		$sql .= ' WHEN MATCHED THEN '
		  . ($s->{matched} eq 'update' ? 'UPDATE SET ' . join(', ', defined $s->{move} ? "r = '$s->{move}'" : (), assignments('y', undef, @{ $s->{set} }) || ())
			: $s->{matched} eq 'delete' ? 'DELETE' : 'DO NOTHING');
		$sql .= " WHEN NOT MATCHED THEN INSERT ($names)" . (($self->{generate} // '') eq 'always' ? ' OVERRIDING SYSTEM VALUE' : '') . " VALUES (" . join(', ', map { 'y.' . identifier($_->{name}) } @named) . ')';
	}
	elsif ($kind eq 'copy')
	{
		$sql = "COPY $t ($names) FROM stdin;\n";
		for my $row (@{ $s->{rows} })
		{
			$sql .= join("\t", map {
					my $v = $row->{ $_->{name} };
					$v =~ s/\\/\\\\/g if defined $v;
					defined $v ? $v : '\\N'
			} @named) . "\n";
		}
		return $sql . "\\.\n";
	}
	elsif ($kind =~ /^(update|rekey)$/)
	{
		$sql = "UPDATE $t SET " . assignments($s->{to}, $inline, @{ $s->{set} }) . ' WHERE id IN (' . join(', ', @{ $s->{ids} }) . ')';
		$sql .= " AND r = '$s->{r}'" if $s->{r};
	}
	elsif ($kind eq 'delete') { $sql = "DELETE FROM $t WHERE id IN (" . join(', ', @{ $s->{ids} }) . ')'; }
	elsif ($kind eq 'truncate') { $sql = 'TRUNCATE fz.t'; }
	elsif ($kind eq 'pin') { return $self->pin_sql($s); }
	elsif ($kind eq 'time') { return $self->time_sql($s); }
	elsif ($kind eq 'decision') { return $self->decision_sql($s); }
	elsif ($kind eq 'map')
	{
		$sql = 'UPDATE ownership.field SET owner = ' . Oracle::quote($s->{owner}) . ', policy = ' . Oracle::quote($s->{policy})
		  . " WHERE entity = 'fz.t' AND name IN (" . join(', ', map { Oracle::quote($_->{name}) } $self->alike($self->{column}{ $s->{column} })) . ')';
	}
	elsif ($kind eq 'combined')
	{
		# the SELECT reads the parts in this order, so they run in this order
		my @parts = map { $self->to_sql($_) =~ s/;\n\z//r } @{ $s->{parts} };
		$sql = 'WITH ' . join(', ', map { "p$_ AS ($parts[$_] RETURNING 1)" } 0 .. $#parts) . ' SELECT '
		  . join(', ', map { "(SELECT count(*) FROM p$_)" } 0 .. $#parts);
	}
	elsif ($kind eq 'transaction')
	{
		$sql = { begin => 'BEGIN', savepoint => 'SAVEPOINT a', rollback_to => 'ROLLBACK TO a', rollback => 'ROLLBACK', commit => 'COMMIT' }->{ $s->{action} };
	}

	my $returning = $switch && $switch->{by} eq 'returning' ? switch_sql($switch) : undef;
	my $wrap = $s->{wrap} // 'plain';
	return "WITH w AS ($sql RETURNING " . ($returning // 1) . ") SELECT count(*) FROM w;\n" if $wrap eq 'cte';
	$sql .= " RETURNING $returning" if defined $returning;
	return "PREPARE p AS $sql;\nEXECUTE p;\n" if $wrap eq 'prepared';
	return "SELECT fz.run(\$q\$$sql\$q\$);\n" if $wrap eq 'function';
	return "SELECT fz.run_as_owner(\$q\$$sql\$q\$);\n" if $wrap eq 'definer';
	return "$sql;\n";
}

# The statement, run as its writer.
sub act_sql
{
	my ($self, $s) = @_;
	my $sql = $self->to_sql($s);

	return "$sql\\echo \@S :SQLSTATE\n" if $s->{kind} =~ /^(map|transaction)$/;
	my ($role, $setting) = @{ $self->{writers}{ $s->{writer} } }{qw(role setting)};
	return
		($s->{start} ? "SELECT setval('fz.ids', $s->{start}, false) \\g /dev/null\n" : '')
	  . join('', map { $_->{start} ? "SELECT setval('fz.ids', $_->{start}, false) \\g /dev/null\n" : () } @{ $s->{parts} // [] })
	  . "SET ownership.enforcement = $s->{enforcement}; SET ownership.lift = $s->{lift};\n"
	  . ($setting ? "SET ownership.system = '$setting';\n" : '')
	  . join('', map { "SET $_;\n" } @{ $s->{session} // [] })
	  . ($s->{replica} ? "SET session_replication_role = replica;\n" : '')
	  . ($s->{switch} ? switch_settings($s->{switch}) : '')
	  . ($role eq 'postgres' ? '' : "SET ROLE $role;\n")
	  . "\\echo \@X\n$sql\\echo \@S :SQLSTATE\n"
	  . ($s->{wrap} eq 'prepared' ? "DEALLOCATE p;\n" : '')
	  . "RESET ROLE; RESET ownership.system;\n"
	  . ($self->{with}{switches} ? "RESET session_replication_role; RESET ownership.enforcement; RESET fz.by;\n" : '')
	  . ($s->{session} ? "RESET lc_monetary; RESET search_path;\n" : '');
}

# The same, and then the queries for rows and evidence.
sub step_sql
{
	my ($self, $s) = @_;

	return $self->act_sql($s) if $s->{kind} =~ /^(map|transaction)$/;
	return $self->mark_sql . $self->act_sql($s) . $self->look_sql;
}

sub mark_sql { return "SELECT coalesce(max(id), 0) AS last FROM (SELECT id FROM ownership.conflict UNION ALL SELECT id FROM ownership.history) i \\gset\n"; }

# The rows, and the evidence and history since :last.
sub look_sql
{
	my ($self) = @_;
	my $order = join(', ', 1 .. @{ $self->{keys} });
	my $columns = join(', ', map { identifier($_->{name}) } @{ $self->{columns} });
	my $recorded = join(' UNION ALL ', map {
		"SELECT jsonb_build_array(operation, system, role, outcome, columns, row_key, stored, proposed, CASE table_name WHEN 'l' THEN 'l' ELSE 't' END) FROM ownership.$_ WHERE id > :last AND outcome NOT IN ('rejected', 'parked', 'remembered')"
	} qw(conflict history));

	return
		"\\echo \@R\nSELECT $columns FROM fz.t ORDER BY $order;\n"
	  . ($self->{side} ? "SELECT 'l', id, a, b FROM fz.l ORDER BY id COLLATE \"C\";\n" : '')
	  . "\\echo \@E\n$recorded;\n"
	  . "\\echo \@W\n" . Oracle::Model::waiting_sql()
	  . ($self->{with}{pins} ? "\\echo \@P\n" . Oracle::Model::pins_sql($self->{remembers_briefly}) : '');
}

sub script
{
	my ($self, @statements) = @_;
	return "\\pset null '\\\\N'\n" . $self->setup_sql . "\\set ON_ERROR_STOP off\n\\set ON_ERROR_ROLLBACK on\n\\echo \@START\n"
	  . join('', map { $self->step_sql($_) } @statements);
}

#
# Running it
#

my $serial = 0;

sub open_database
{
	my ($self, $node) = @_;
	my $db = 'fz_' . $serial++;

	$node->safe_psql('postgres', "CREATE DATABASE $db");
	return $db;
}

sub close_databases
{
	my ($self, $node, $db) = @_;

	$node->safe_psql('postgres', "DROP DATABASE $db WITH (FORCE)");
	return;
}

# The errors that no client receives, from the server's log.
sub errors_in { return []; }

# How the end of a statement differs from the prediction; undef if it does not.
sub same_error
{
	my ($self, $s, $state, $errors) = @_;

	return $state eq '00000' ? undef : "expected success, got SQLSTATE $state" if !%$errors;
	return undef if $errors->{$state} || $s->{kind} eq 'copy';    # psql does not set SQLSTATE there
	return 'expected SQLSTATE ' . join(' or ', sort keys %$errors) . ", got $state";
}

# How rows and evidence differ from the prediction, as look_sql() printed them.
sub same_state
{
	my ($self, $model, $evidence, $seen) = @_;
	my ($rows, $recorded, $waiting) = $seen =~ /^\@R\n(.*?)^\@E\n(.*?)^\@W\n(.*?)(?:^\@|\z)/ms;
	my $want = $model->dump;

	return "expected rows\n$want\ngot\n$rows" if $want ne $rows;
	my @got = sort map { Oracle::encode($self->tidy(Oracle::decode($_))) } grep { $_ ne '' } split(/\n/, $recorded);
	my @want = sort map { Oracle::encode($self->tidy($_)) } @$evidence;
	return "expected evidence\n" . join("\n", @want) . "\ngot\n" . join("\n", @got) if "@got" ne "@want";
	@got = sort map { Oracle::encode($self->tidy(Oracle::decode($_))) } grep { $_ ne '' } split(/\n/, $waiting);
	@want = sort map { Oracle::encode($self->tidy($_)) } $model->dump_waiting;
	return $self->same_pins($model, $seen) if "@got" eq "@want";
	my %both = map { my $x = $_; $x => scalar grep { $_ eq $x } @got } @want;
	return "expected what waits\n" . join("\n", grep { !$both{$_} } @want) . "\ngot\n" . join("\n", grep { !exists $both{$_} } @got);
}

# The same of pins.
sub same_pins
{
	my ($self, $model, $seen) = @_;
	return undef if !$self->{with}{pins};
	my ($pins) = $seen =~ /^\@P\n(.*?)(?:^\@|\z)/ms;
	my $tidy = sub { my $p = shift; $p->[0] = { map { $_ => "$p->[0]{$_}" } keys %{ $p->[0] } }; return Oracle::encode($p); };
	my @got = sort map { $tidy->(Oracle::decode($_)) } grep { $_ ne '' } split(/\n/, $pins);
	my @want = sort map { $tidy->([ {%{ $_->[0] }}, map { defined $_ ? "$_" : undef } @$_[ 1 .. 7 ] ]) } $model->dump_pins;
	return undef if "@got" eq "@want";
	return "expected pins\n" . join("\n", @want) . "\ngot\n" . join("\n", @got);
}

# The first difference, as text; undef if there is none.  Sets `last` to the number
# of statements up to there.
sub differs
{
	my ($self, $node, @statements) = @_;
	my $file = "$PostgreSQL::Test::Utils::tmp_check/oracle.sql";
	my $offset = -s $node->logfile;
	my ($out, $err);

	open(my $fh, '>:encoding(UTF-8)', $file) or die "$file: $!";
	print $fh $self->script(@statements);
	close($fh);
	my $db = $self->open_database($node);
	my @command = ('psql', '-XAtq', '-v', 'ON_ERROR_STOP=0', '-d', $node->connstr($db), '-f', $file);
	IPC::Run::run(\@command, '>', \$out, '2>', \$err);
	$self->close_databases($node, $db);
	utf8::decode($out);
	my ($before, @parts) = split(/^\@S /m, $out);
	return "the set-up failed:\n$err" if $before !~ /\@START\n/;

	my $model = $self->make_model;
	my $log = $self->errors_in($node, $db, $offset);
	for my $i (0 .. $#statements)
	{
		my $s = $statements[$i];
		my $expected = $model->predict($s);

		$self->{last} = $i + 1;
		return "statement $i was not run:\n$err" if !defined $parts[$i];
		my ($state) = $parts[$i] =~ /^(\w+)/;
		my $diff = $self->same_error($s, $state, $expected->{errors}, $log);
		$diff //= $self->same_state($model, $expected->{evidence}, $parts[$i]) if $s->{kind} !~ /^(map|transaction)$/;
		return "$diff\n(writer " . ($s->{writer} // '-') . ', ' . $self->step_sql($s) . ")\n" if defined $diff;
	}
	return undef;
}

# Evidence in a form that can be compared: columns sorted, values as text.
sub tidy
{
	my ($self, $e) = @_;
	$e->[4] = [ sort @{ $e->[4] } ] if ref $e->[4];
	for my $i (5 .. 7)
	{
		my $values = $e->[$i];
		# what stands for a value that is left out is an object
		$e->[$i] = { map { $_ => ref $values->{$_} eq 'HASH' ? $values->{$_} : defined $values->{$_} ? "$values->{$_}" : undef } keys %$values } if ref $values;
	}
	# values that the database would have made for a discarded row are no part of
	# the proposal; evidence may or may not contain them
	if ($e->[3] eq 'discarded' && $e->[0] eq 'INSERT' && ref $e->[7] && !exists $e->[5]{id})
	{
		delete $e->[7]{id};
		for my $defaults (values %{ $self->{defaults} })
		{
			delete @{ $e->[7] }{ grep { $defaults->{$_}{computed} } keys %$defaults };
		}
	}
	return $e;
}

sub run
{
	my ($self, $node) = @_;
	return $self->differs($node, @{ $self->{statements} });
}

# The fewest statements that still differ, as a script for psql, as far as they are
# found in this number of seconds.
sub smallest
{
	my ($self, $node, $seconds) = @_;
	my @statements = @{ $self->{statements} };
	my $end = time() + $seconds;

	return '-- it does not differ again' if !defined $self->differs($node, @statements);
	splice(@statements, $self->{last});
	for (my $n = @statements >> 1; $n >= 1; $n = $n >> 1)
	{
		for (my $i = $self->{always} // 0; $i < @statements - 1 && time() < $end;)
		{
			my @fewer = @statements;
			my $m = $i + $n > @statements - 1 ? @statements - 1 - $i : $n;
			splice(@fewer, $i, $m);
			if (defined $self->differs($node, @fewer)) { @statements = @fewer[ 0 .. $self->{last} - 1 ]; }
			else { $i += $n; }
		}
	}
	my $diff = $self->differs($node, @statements);
	return "-- seed $self->{seed}\n" . join('', map { "$_;\n" } Oracle::roles()) . $self->script(@statements) . "\n/*\n$diff*/\n";
}

1;
