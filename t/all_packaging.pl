# What describes the extension to packagers agrees with it: META.json is as PGXN's
# specification 1.0.0 wants it, and the Debian package is of the same version, for
# the same servers, under the same license.
use strict;
use warnings;
use FindBin;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = "$FindBin::RealBin/..";
sub text { return slurp_file("$root/$_[0]") }
my ($version) = text('ownership.control') =~ /^default_version = '(.*)'/m;
my $meta = JSON::PP->new->decode(text('META.json'));

# https://pgxn.org/spec/
my %is = (
	text => sub { !ref $_[0] && $_[0] =~ /\S/ },
	term => sub { !ref $_[0] && $_[0] =~ m{^[^\s/\\[:cntrl:]]{2,}$} },
	version => sub { !ref $_[0] && $_[0] =~ /^(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*)){2}(?:-?[a-zA-Z][0-9A-Za-z-]*)?$/ },
	license => sub { !ref $_[0] && $_[0] =~ /^(?:agpl_3|apache_[12]_[01]|artistic_[12]|bsd|freebsd|gfdl_1_[23]|gpl_[123]|lgpl_(?:2_1|3_0)|mit|mozilla_1_[01]|openssl|perl_5|postgresql|qpl_1_0|ssleay|sun|zlib|open_source|restricted|unrestricted|unknown)$/ },
	status => sub { !ref $_[0] && $_[0] =~ /^(?:stable|testing|unstable)$/ },
	tags => sub { ref $_[0] eq 'ARRAY' && !grep { ref || length >= 256 || m{[/\\[:cntrl:]]} } @{ $_[0] } },
	map => sub { ref $_[0] eq 'HASH' });
my %required = (name => 'term', version => 'version', abstract => 'text', maintainer => 'text', license => 'license', provides => 'map', 'meta-spec' => 'map');
my %allowed = (%required, description => 'text', generated_by => 'text', tags => 'tags', release_status => 'status', prereqs => 'map', no_index => 'map', resources => 'map');

is(join(' ', grep { !exists $meta->{$_} } sort keys %required), '', 'META.json has what it must have');
is(join(' ', grep { !$allowed{$_} && !/^x_/i } sort keys %$meta), '', 'and nothing that the specification does not know');
is(join(' ', grep { $allowed{$_} && !$is{ $allowed{$_} }->($meta->{$_}) } sort keys %$meta), '', 'each of its kind');
is($meta->{'meta-spec'}{version}, '1.0.0', 'the version of the specification');
foreach my $name (sort keys %{ $meta->{provides} })
{
	my $provided = $meta->{provides}{$name};
	ok($is{term}->($name) && $is{version}->($provided->{version}), "it provides $name, of a version");
	ok(-f "$root/$provided->{$_}", "$_ of $name is there") foreach 'file', 'docfile';
}
my @wanted;
foreach my $phase (sort keys %{ $meta->{prereqs} })
{
	like($phase, qr/^(?:configure|runtime|build|test|develop)$/, "phase $phase");
	foreach my $relation (sort keys %{ $meta->{prereqs}{$phase} })
	{
		like($relation, qr/^(?:requires|recommends|suggests|conflicts)$/, "relation $relation");
		push @wanted, map { [ $_, $meta->{prereqs}{$phase}{$relation}{$_} ] } keys %{ $meta->{prereqs}{$phase}{$relation} };
	}
}
ok(!(grep { !$is{version}->($_->[1]) } @wanted), 'prerequisites have versions');

# Debian
like(text('debian/changelog'), qr/^ownership \(\Q$version\E-\d+\)/, 'the package is of this version');
my ($oldest) = map { $_->[1] =~ /^(\d+)\./ } grep { $_->[0] eq 'PostgreSQL' } @wanted;
is(text('debian/pgversions'), "$oldest+\n", 'and for the same servers');
my ($license) = text('debian/copyright') =~ /^License: PostgreSQL\n((?: .*\n)+)\z/m;
is(join(' ', split ' ', $license =~ s/^ \.$//mgr), join(' ', split ' ', text('LICENSE') =~ s/\A.*?(?=Permission)//sr), 'under the same license');
done_testing();
