# Every SQL block of the README runs as it stands, and says what it says.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $readme = slurp_file("$FindBin::RealBin/../README.md");
my $script = '';
my @shown;

# A block without a language is what the block before it prints.
while ($readme =~ /^```(\w*)\n(.*?)^```$/msg)
{
	my ($language, $text) = ($1, $2);
	if ($language eq 'sql')
	{
		$script .= $text;
	}
	elsif ($text !~ /^make /)
	{
		push @shown, split /\n/, $text;
	}
}

# one form for what psql prints aligned and not
sub row
{
	my ($line) = @_;
	$line =~ s/\s*\|\s*/|/g;
	$line =~ s/^\s+|\s+$//g;
	return $line;
}

my $node = new_node('readme', preload => 0);
my ($rc, $out, $err) = $node->psql('postgres', $script, on_error_stop => 0);

# The one statement that is said to fail does, and no other.
my @errors = $err =~ /(ERROR:  .*)/g;
is(scalar @errors, 1, 'one statement fails, as it should')
  or diag($err);

my $said = join("\n", map { row($_) } split /\n/, "$out\n$err");
$said =~ s/^psql:<stdin>:\d+: //mg;
my $rows = 0;
foreach my $line (@shown)
{
	# headings are not printed here
	next if $line =~ /^[-+ ]*$/ || $line =~ /\b(outcome|title|detail|reason|copy_value)\s*$/ && $line =~ /\|/
	  || $line =~ /outcome\s*\|\s*proposed/;
	ok($said =~ /^\Q@{[row($line)]}\E$/m, 'true: ' . row($line));
	$rows++;
}
ok($rows >= 7, 'rows were compared');

$node->stop;
done_testing();
