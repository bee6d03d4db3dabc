"""The autoencoders of diffusers as parts of srzoo; found through their entry points."""
